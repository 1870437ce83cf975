"""A small reader for include/moe/*.h: structs with their fields, constants, function names. It understands the plain C
that those headers are written in (docs/abi.md) and refuses what it does not know, so that nothing slips past the gates.
"""

import dataclasses
import re

SCALARS = {"int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "int64_t", "uint64_t", "float", "double",
           "char", "void", "moe_status"}


@dataclasses.dataclass
class Field:
    name: str
    type: str  # as written, without the name; "fn" for a function pointer
    text: str  # the whole declaration


@dataclasses.dataclass
class Header:
    structs: dict  # name -> [Field]
    opaque: list  # handles
    constants: list  # object-like macros and enumerators with a value
    functions: dict  # name -> declaration
    callbacks: dict  # name -> declaration


class Unknown(Exception):
    pass


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def read_field(declaration):
    text = " ".join(declaration.split())
    pointer = re.fullmatch(r".+?\(\s*\*\s*(\w+)\s*\)\s*\(.*\)", text)
    if pointer:
        return Field(pointer[1], "fn", text)
    plain = re.fullmatch(r"([\w\s\*]+?)\s*(\w+)\s*(\[\d+\])?", text)
    if not plain:
        raise Unknown(f"field not understood: '{text}'")
    return Field(plain[2], " ".join((plain[1] + (plain[3] or "")).split()), text)


def read(path):
    text = without_comments(open(path, encoding="utf-8").read())
    macros = re.findall(r"^#define (MOE_\w+)[ \t]+([^\n\\]+)$", text, re.M)
    constants = [n for n, value in macros if re.match(r'[-\d("]', value.strip()) and not n.endswith("_INIT")]
    body = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", "", text, flags=re.M)  # no preprocessor lines
    body = re.sub(r'extern "C" \{|\}\s*$', "", body)
    structs, opaque, callbacks = {}, [], {}

    def take_struct(match):
        fields = [read_field(f) for f in match[2].split(";") if f.strip()]
        if match[1] != match[3]:
            raise Unknown(f"struct {match[1]} and its typedef {match[3]} differ")
        structs[match[1]] = fields
        return ""

    body = re.sub(r"typedef struct (\w+) \{(.*?)\} (\w+);", take_struct, body, flags=re.S)
    functions = {}
    for statement in filter(None, (" ".join(s.split()) for s in body.split(";"))):
        if handle := re.fullmatch(r"typedef struct (\w+) \1", statement):
            opaque.append(handle[1])
        elif function := re.fullmatch(r"MOE_API .*?\b(moe_\w+)\(.*\)", statement):
            functions[function[1]] = statement
        elif callback := re.fullmatch(r"typedef .+?\(\*(\w+)\)\(.*\)", statement):
            callbacks[callback[1]] = statement
        elif statement not in ("typedef int32_t moe_status", "}"):
            raise Unknown(f"statement not understood: '{statement}'")
    return Header(structs, opaque, constants, functions, callbacks)
