#include "web/page.hpp"

#include "web/assets.hpp"

namespace moegate::web {

std::optional<Asset> find_asset(std::string_view path) {
  if (path == "/" || path == "/index.html") return Asset{"text/html; charset=utf-8", assets::index_html()};
  if (path == "/app.css") return Asset{"text/css; charset=utf-8", assets::app_css()};
  if (path == "/app.js") return Asset{"text/javascript; charset=utf-8", assets::app_js()};
  return std::nullopt;
}

}  // namespace moegate::web
