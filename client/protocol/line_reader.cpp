// SPDX-License-Identifier: Apache-2.0
#include "protocol/line_reader.hpp"

#include <algorithm>
#include <cstring>

namespace kith::protocol {

ByteSpan LineReader::prepare(std::size_t least) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    searched_ -= begin_;
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < least) buffer_.resize(std::max(end_ + least, buffer_.size() * 2));
  return ByteSpan(buffer_).subspan(end_);
}

std::optional<std::string_view> LineReader::take_line() noexcept {
  if (searched_ == end_) return std::nullopt;
  const auto* from = buffer_.data() + searched_;
  const auto* feed = static_cast<const std::uint8_t*>(std::memchr(from, '\n', end_ - searched_));
  const std::size_t stop = feed == nullptr ? end_ : static_cast<std::size_t>(feed - buffer_.data());
  searched_ = stop;
  if (feed == nullptr || too_long()) return std::nullopt;
  const std::string_view line = as_text(ByteView(buffer_).subspan(begin_, stop - begin_));
  begin_ = searched_ = stop + 1;
  return line;
}

std::optional<ByteView> LineReader::take_octets(std::size_t count) noexcept {
  if (buffered() < count) return std::nullopt;
  return take_some(count);
}

ByteView LineReader::take_some(std::size_t most) noexcept {
  const ByteView octets = ByteView(buffer_).subspan(begin_, std::min(most, buffered()));
  begin_ += octets.size();
  searched_ = begin_;
  return octets;
}

} // namespace kith::protocol
