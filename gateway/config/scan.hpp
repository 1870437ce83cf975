// A look at TOML text before the parser sees it: size, UTF-8 is the parser's business, but nesting and dotted keys
// deeper than the limits overflow the stack of the packaged parser, so they are refused here. Pure, no state.
#pragma once

#include <string_view>

#include "core/status.hpp"

namespace moegate::config {

// `file` only names the text in messages.
moe::Status scan_toml(std::string_view text, std::string_view file);

}  // namespace moegate::config
