// SPDX-License-Identifier: Apache-2.0
#include "echo_core.hpp"

#include <boost/json/src.hpp> // the only source that has it: nothing to link

#include <algorithm>
#include <stdexcept>

namespace echo {

namespace json = boost::json;

namespace {

/// Of any depth that the socket allows.
json::value parse(std::string_view text, boost::system::error_code& failed) {
  json::parse_options options;
  options.max_depth = 256; // else 32
  return json::parse(json::string_view(text.data(), text.size()), failed, {}, options);
}

std::size_t count_characters(std::string_view utf8) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

} // namespace

Config parse_config(std::string_view text) {
  Config config;
  boost::system::error_code failed;
  const json::value value = parse(text, failed);
  if (failed || !value.is_object()) throw std::runtime_error("the config is not a JSON object");
  if (const json::value* length = value.as_object().if_contains("max_length")) {
    const std::int64_t* number = length->if_int64();
    if (number == nullptr || *number < 1) throw std::runtime_error("max_length: must be a whole number from 1 on");
    config.max_length = static_cast<std::size_t>(*number);
  }
  return config;
}

std::variant<std::string, Failure> answer(std::string_view request, const Config& config) {
  boost::system::error_code failed;
  const json::value value = parse(request, failed);
  if (failed) return Failure{ErrorCode::not_json, "the request is not JSON: " + failed.message()};
  if (!value.is_object()) return Failure{ErrorCode::wrong_type, R"(the request must be an object: {"message": "text"})"};
  const json::value* message = value.as_object().if_contains("message");
  if (message == nullptr) return Failure{ErrorCode::wrong_type, R"(the request has no "message")"};
  if (!message->is_string()) return Failure{ErrorCode::wrong_type, R"("message" must be a text)"};
  const json::string& text = message->as_string();
  if (text.empty()) return Failure{ErrorCode::empty, R"("message" is empty)"};
  const std::size_t length = count_characters(std::string_view(text.data(), text.size()));
  if (length > config.max_length)
    return Failure{ErrorCode::too_long,
                   R"("message" has )" + std::to_string(length) + " characters, at most " + std::to_string(config.max_length) + " are allowed"};
  return json::serialize(json::object{{"echoed", text}});
}

} // namespace echo
