// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/yaml.hpp"

#include "config/extent.hpp"

#include "base/utf8.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace kith::config {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Thrown by the handler to leave the parser; caught in parse_yaml.
struct Refused {
  std::size_t offset;
  std::string text;
};

/// The octets of the UTF-8 sequence at the front (RFC 3629 §4), or 0 when it is none.
std::size_t utf8_size(std::string_view text) noexcept {
  const auto octet = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (octet(i) & 0xC0U) == 0x80U; };
  const unsigned first = octet(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && octet(1) < 0xA0) || (first == 0xED && octet(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && octet(1) < 0x90) || (first == 0xF4 && octet(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

/// What yaml-cpp would read in its own way, it never sees.
std::optional<Refused> check_characters(std::string_view text) {
  if (text.starts_with(byte_order_mark)) return Refused{0, "the file starts with a byte-order mark; save it as UTF-8 without one"};
  if (const auto bad = find_bad_utf8(text); bad < text.size()) return Refused{bad, "this is not UTF-8"};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool line_break = c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    if ((c < 0x20 && c != '\t' && !line_break) || c == 0x7F) return Refused{i, "a control character is not allowed here"};
  }
  return std::nullopt;
}

class Builder final : public YAML::EventHandler {
public:
  explicit Builder(std::string_view text) : text_(text), marks_(text) {}

  Node take_root() {
    settle();
    return std::move(root_);
  }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_plain(mark, "?", anchor);
    const std::size_t at = offset(mark);
    settle_before(at);
    null_at_ = at;
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Refused{offset(mark), "aliases (*name) are not allowed; write the value out"};
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    check_plain(mark, tag, anchor);
    settle_before(offset(mark));
    Node node = make_plain(value);
    node.quoted = tag == "!";
    node.mark = place(mark);
    check_closed(node.mark.offset);
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, style, Node::Kind::list);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, style, Node::Kind::map);
  }

  void OnMapEnd() override { close(); }

  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override {
    throw Refused{offset(mark), "anchors (&name) are not allowed; write the value out where it is needed"};
  }

private:
  struct Level {
    Node node;
    std::optional<Field> key;         ///< Of a map: read, and waiting for its value.
    std::map<std::string, int> lines; ///< Of a map: where its keys are.
  };

  std::size_t offset(const YAML::Mark& mark) const noexcept { return mark.pos < 0 ? 0 : std::min(static_cast<std::size_t>(mark.pos), text_.size()); }

  Mark place(const YAML::Mark& mark) noexcept { return marks_.at(offset(mark)); }

  void check_plain(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != 0) throw Refused{offset(mark), "anchors (&name) are not allowed; write the value out where it is needed"};
    if (tag != "?" && tag != "!" && !tag.empty()) throw Refused{offset(mark), "tags (!name) are not allowed"};
  }

  /// At the end of the file yaml-cpp takes a missing quote for a closed one.
  void check_closed(std::size_t at) const {
    const char c = at < text_.size() ? text_[at] : ' ';
    if (c == '!') throw Refused{at, "tags (!name) are not allowed"};
    if ((c == '"' || c == '\'') && !end_of_quoted(text_, at)) throw Refused{at, "not YAML: the closing quote is missing"};
  }

  /// yaml-cpp reports an empty value and a written null alike, an empty one at the mark of whatever token comes next. The next event tells: at the
  /// same place, there was nothing.
  void settle_before(std::size_t next) {
    if (!null_at_) return;
    const std::size_t at = *null_at_;
    null_at_.reset();
    Node node;
    const std::string_view word = at == next ? std::string_view() : null_word(at);
    if (!word.empty()) {
      node = make_plain(std::string(word));
    }
    node.mark = marks_.at(at);
    add(std::move(node));
  }

  void settle() { settle_before(std::string_view::npos); }

  std::string_view null_word(std::size_t at) const noexcept {
    for (const std::string_view word : {"null", "Null", "NULL", "~"}) {
      if (!text_.substr(at).starts_with(word)) continue;
      const std::string_view rest = text_.substr(at + word.size());
      if (rest.empty() || std::string_view(" \t\r\n,]}:").find(rest.front()) != std::string_view::npos) return text_.substr(at, word.size());
    }
    return {};
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style, Node::Kind kind) {
    check_plain(mark, tag, anchor);
    settle_before(offset(mark));
    if (levels_.size() == static_cast<std::size_t>(max_file_depth)) {
      throw Refused{offset(mark), "nested too deeply, at most " + std::to_string(max_file_depth) + " lists and maps inside each other"};
    }
    Node node;
    node.kind = kind;
    node.flow = style == YAML::EmitterStyle::Flow;
    node.mark = place(mark);
    if (!levels_.empty() && levels_.back().node.is(Node::Kind::map) && !levels_.back().key) {
      throw Refused{offset(mark), "a key must be a word, not a list or map"};
    }
    levels_.push_back({std::move(node), std::nullopt, {}});
  }

  void close() {
    settle();
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.is(Node::Kind::list)) {
      level.node.items.push_back(std::move(node));
    } else if (level.key) {
      level.key->value = std::move(node);
      level.node.fields.push_back(std::move(*level.key));
      level.key.reset();
    } else {
      add_key(level, node);
    }
  }

  static void add_key(Level& level, const Node& node) {
    if (!node.is(Node::Kind::scalar)) throw Refused{node.mark.offset, "a key is missing before ':'"};
    const auto [first, fresh] = level.lines.emplace(node.text, node.mark.line);
    if (!fresh)
      throw Refused{node.mark.offset, "the key " + in_quotes(node.text) + " is there twice (first in line " + std::to_string(first->second) + ")"};
    Field field;
    field.key = node.text;
    field.mark = node.mark;
    level.key = std::move(field);
  }

  std::string_view text_;
  Marks marks_;
  std::vector<Level> levels_;
  std::optional<std::size_t> null_at_;
  Node root_;
};

} // namespace

std::size_t find_bad_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t size = utf8_size(text.substr(i));
    if (size == 0) return i;
    i += size;
  }
  return i;
}

Mark mark_at(std::string_view text, std::size_t offset) noexcept { return Marks(text).at(offset); }

Mark Marks::at(std::size_t offset) noexcept {
  if (offset < last_.offset) last_ = {0, 1, 1};
  for (; last_.offset < std::min(offset, text_.size()); ++last_.offset) {
    const auto octet = static_cast<unsigned char>(text_[last_.offset]);
    if (octet == '\n') {
      ++last_.line;
      last_.column = 1;
    } else if ((octet & 0xC0U) != 0x80U) {
      ++last_.column;
    }
  }
  return {offset, last_.line, last_.column};
}

Result<Node> parse_yaml(std::string_view text, std::string_view file) {
  if (text.size() > max_text_size) return error_at(file, {}, "the file is larger than " + std::to_string(max_text_size) + " bytes");
  if (const auto refused = check_characters(text)) return error_at(file, mark_at(text, refused->offset), refused->text);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(text);
    if (!parser.HandleNextDocument(builder)) return Node{};
    Node root = builder.take_root();
    Builder second(text);
    if (parser.HandleNextDocument(second)) return error_at(file, second.take_root().mark, "a second document (---) is not allowed");
    return root;
  } catch (const Refused& refused) {
    return error_at(file, mark_at(text, refused.offset), refused.text);
  } catch (const YAML::Exception& e) {
    const auto offset = e.mark.pos < 0 ? text.size() : std::min(static_cast<std::size_t>(e.mark.pos), text.size());
    return error_at(file, mark_at(text, offset), "not YAML: " + e.msg);
  }
}

} // namespace kith::config
