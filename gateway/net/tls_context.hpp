// Certificate and key of a listener: loading, checking, swapping. TLS 1.2 and 1.3 with forward secrecy and AEAD only;
// no compression, renegotiation or early data. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/status.hpp"

namespace boost::asio::ssl {
class context;
}

namespace moegate::net {

class TlsContext {
 public:
  TlsContext(std::string cert_file, std::string key_file)
      : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)) {}

  // Reads both files and puts the pair in use; on an error the pair in use stays. The text names the file.
  moe::Status load();
  std::shared_ptr<boost::asio::ssl::context> current() const;
  std::int64_t not_after() const;  // seconds since 1970

 private:
  const std::string cert_file_, key_file_;
  mutable std::mutex mutex_;  // guards the two below
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::int64_t not_after_ = 0;
};

}  // namespace moegate::net
