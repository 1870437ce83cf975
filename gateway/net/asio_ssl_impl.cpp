// The one translation unit that compiles Asio's TLS engine.
#include <boost/asio/ssl/impl/src.hpp>
