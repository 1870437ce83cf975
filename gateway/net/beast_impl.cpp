// The one translation unit that compiles Beast's parser.
#include <boost/beast/src.hpp>
