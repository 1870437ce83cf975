#include "http/message.hpp"

namespace moegate::http {

std::string_view Request::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

bool Request::has_header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return true;
  }
  return false;
}

}  // namespace moegate::http
