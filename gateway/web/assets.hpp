// The bytes of the page's files; defined in a source file that the build writes (embed.cmake).
#pragma once

#include <string_view>

namespace moegate::web::assets {

std::string_view index_html();
std::string_view app_css();
std::string_view app_js();

}  // namespace moegate::web::assets
