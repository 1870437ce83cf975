// A string that knows which of its bytes came from the request. Concatenation and cutting keep that knowledge;
// everything a template does to text is built from the two.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moe::text::jinja {

class Str {
 public:
  struct Span {
    std::size_t begin, end;
  };

  Str() = default;
  explicit Str(std::string text, bool from_request = false);

  const std::string& text() const { return text_; }
  std::size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  const std::vector<Span>& spans() const { return spans_; }  // bytes from the request: sorted, apart from each other
  bool any_from_request() const { return !spans_.empty(); }

  void append(const Str& other) { append(other, 0, other.size()); }
  void append(const Str& other, std::size_t begin, std::size_t end);
  void append(std::string_view text, bool from_request = false);
  Str substr(std::size_t begin, std::size_t end) const;
  // New text in place of this one; from the request as a whole if any part was.
  Str rewritten(std::string text) const { return Str(std::move(text), any_from_request()); }

  bool safe() const { return safe_; }  // marked as needing no HTML escaping
  void set_safe(bool safe) { safe_ = safe; }

 private:
  void mark(std::size_t begin, std::size_t end);

  std::string text_;
  std::vector<Span> spans_;
  bool safe_ = false;
};

// White space of Python's str.isspace and of \s.
bool is_space(char32_t point);
std::size_t count_points(std::string_view text);
// Byte offset of the code point number `index`; text.size() at or beyond the end.
std::size_t point_offset(std::string_view text, std::size_t index);

}  // namespace moe::text::jinja
