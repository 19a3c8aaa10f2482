// SPDX-License-Identifier: Apache-2.0
#include "check/check.hpp"

#include <kith/abi/entry.h>

#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

namespace kith::check {

namespace {

// Structs of an ELF file at an offset; nothing beyond its end.
class Image {
public:
  explicit Image(std::string bytes) : bytes_(std::move(bytes)) {}

  template <class T> std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T out;
    std::memcpy(&out, bytes_.data() + offset, sizeof out);
    return out;
  }

  std::string_view text_at(std::uint64_t offset) const {
    if (offset >= bytes_.size()) return {};
    const std::size_t end = bytes_.find('\0', static_cast<std::size_t>(offset));
    return end == std::string::npos ? std::string_view{}
                                    : std::string_view(bytes_).substr(static_cast<std::size_t>(offset), end - static_cast<std::size_t>(offset));
  }

private:
  std::string bytes_;
};

} // namespace

std::vector<std::string> check_symbols(const std::filesystem::path& file) {
  if (std::error_code missing; !std::filesystem::is_regular_file(file, missing)) return {"not a file"};
  std::ifstream in(file, std::ios::binary);
  const Image image(std::string(std::istreambuf_iterator<char>(in), {}));
  const auto header = image.at<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64) return {"not a 64-bit ELF file"};
  std::vector<std::string> findings;
  bool has_entry = false;
  for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = image.at<Elf64_Shdr>(header->e_shoff + i * sizeof(Elf64_Shdr));
    if (!section || section->sh_type != SHT_DYNSYM) continue;
    const auto names = image.at<Elf64_Shdr>(header->e_shoff + section->sh_link * sizeof(Elf64_Shdr));
    if (!names) return {"its section table is broken"};
    for (std::uint64_t offset = 0; offset + sizeof(Elf64_Sym) <= section->sh_size; offset += sizeof(Elf64_Sym)) {
      const auto symbol = image.at<Elf64_Sym>(section->sh_offset + offset);
      if (!symbol) return {"its symbol table is broken"};
      const unsigned binding = ELF64_ST_BIND(symbol->st_info);
      if (symbol->st_shndx == SHN_UNDEF || binding == STB_LOCAL) continue;
      const std::string name(image.text_at(names->sh_offset + symbol->st_name));
      if (binding == STB_GNU_UNIQUE) findings.push_back("exports the unique symbol " + name + ": build it with kith_add_plugin");
      else if (name == KITH_ENTRY_SYMBOL) has_entry = true;
      else findings.push_back("exports " + name + " beside " KITH_ENTRY_SYMBOL ": build it with kith_add_plugin");
    }
  }
  if (!has_entry) findings.push_back("exports no " KITH_ENTRY_SYMBOL);
  return findings;
}

} // namespace kith::check
