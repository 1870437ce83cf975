// The whole check of a ledger (`moegate usage verify`), in short snapshots beside a running server. Any thread.
#pragma once

#include <filesystem>
#include <vector>

#include "ledger/ledger.hpp"
#include "ledger/readers.hpp"

namespace moegate::ledger {

moe::Result<Verification> verify_all(Readers& readers, const std::filesystem::path& dir,
                                     const std::vector<std::uint8_t>& mac_key);

}  // namespace moegate::ledger
