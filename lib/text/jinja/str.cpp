#include "text/jinja/str.hpp"

#include <algorithm>

#include "text/unicode.hpp"

namespace moe::text::jinja {

Str::Str(std::string text, bool from_request) : text_(std::move(text)) {
  if (from_request) mark(0, text_.size());
}

void Str::mark(std::size_t begin, std::size_t end) {
  if (begin >= end) return;
  if (!spans_.empty() && spans_.back().end == begin) {
    spans_.back().end = end;
  } else {
    spans_.push_back({begin, end});
  }
}

void Str::append(const Str& other, std::size_t begin, std::size_t end) {
  const std::size_t base = text_.size();
  text_.append(other.text_, begin, end - begin);
  const auto first = std::partition_point(other.spans_.begin(), other.spans_.end(),
                                          [&](const Span& span) { return span.end <= begin; });
  for (auto span = first; span != other.spans_.end() && span->begin < end; ++span) {
    mark(base + std::max(span->begin, begin) - begin, base + std::min(span->end, end) - begin);
  }
}

void Str::append(std::string_view text, bool from_request) {
  const std::size_t base = text_.size();
  text_.append(text);
  if (from_request) mark(base, text_.size());
}

Str Str::substr(std::size_t begin, std::size_t end) const {
  Str out;
  if (begin < end) out.append(*this, begin, end);
  return out;
}

bool is_space(char32_t point) { return is_white_space(point) || (point >= 0x1C && point <= 0x1F); }

std::size_t count_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::size_t point_offset(std::string_view text, std::size_t index) {
  for (std::size_t pos = 0; pos < text.size(); ++pos) {
    if ((static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80) continue;
    if (index-- == 0) return pos;
  }
  return text.size();
}

}  // namespace moe::text::jinja
