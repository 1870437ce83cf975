# The HTTP side of the admin interface: a library of its own beside room_admin, because it also sees the data listener's
# services (included by gateway/cli).
add_library(room_admin_http STATIC ${CMAKE_CURRENT_LIST_DIR}/http_api.cpp ${CMAKE_CURRENT_LIST_DIR}/http_guard.cpp
                                   ${CMAKE_CURRENT_LIST_DIR}/http_moe.cpp ${CMAKE_CURRENT_LIST_DIR}/http_overview.cpp)
target_link_libraries(room_admin_http PUBLIC room_admin room_api room_backend room_middleware room_web PRIVATE moe_flags)
target_compile_definitions(room_admin_http PRIVATE MOEGATE_VERSION="${PROJECT_VERSION}")
