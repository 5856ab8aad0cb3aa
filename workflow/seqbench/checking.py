"""What is wrong with a document by its JSON schema, one sentence per violation."""

import copy
import difflib
import math
import re
import sys
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators

# JSON's types and limits in words.
TYPES = {
    "integer": "a whole number below 2^63",
    "number": "a finite number",
    "rate": "a finite number or tuned",
    "bound": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
}
LIMITS = {
    "minItems": "have at least {} entry",
    "minimum": "be at least {}",
    "exclusiveMinimum": "be greater than {}",
    "maximum": "be at most {}",
    "exclusiveMaximum": "be less than {}",
}
POWER_OF_TEN = re.compile(r"[-+]?[\d.]+e[-+]?\d+", re.IGNORECASE)

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where there is libyaml


@cache
def schema_of(path):
    """A JSON schema, from its YAML file."""
    return yaml.load(path.read_text(), Loader)


def repetitions(path):
    """A sentence for each key that stands twice in a YAML file, of which a reader would take the last."""

    seen = set()  # what an anchor names once is looked at once

    def walk(node, above=()):
        if node in above:
            yield f"line {node.start_mark.line + 1}: the part of this anchor contains itself"
        elif node in seen:
            return
        elif isinstance(node, yaml.MappingNode):
            first = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in first:
                    yield f"line {line}: {key.value} stood in line {first[key.value]} already"
                first.setdefault(key.value, line)
                yield from walk(value, (*above, node))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                yield from walk(item, (*above, node))
        seen.add(node)

    return [*walk(yaml.compose(Path(path).read_text(), Loader))]


def violations(instance, schema, prefix="", whole="the config"):
    """Fill in the schema's defaults and return a sentence for each violation.

    prefix: path of `instance` in the document; whole: what the document is called.
    """
    errors = sorted(validator(schema).iter_errors(instance), key=lambda e: [*map(str, e.path)])
    return [sentence for error in errors for sentence in sentences(error, prefix, whole)]


def validator(schema):
    """A JSON schema validator that fills in defaults, and to which 100.0 is no whole number."""
    properties = Draft202012Validator.VALIDATORS["properties"]

    def filling(validator, subschemas, instance, parent):
        for key, part in subschemas.items():
            if isinstance(instance, dict) and "default" in part:
                instance.setdefault(key, copy.deepcopy(part["default"]))
        yield from properties(validator, subschemas, instance, parent)

    def is_integer(checker, value):
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63

    def is_number(checker, value):
        finite = isinstance(value, int | float) and abs(value) <= sys.float_info.max
        return finite and not isinstance(value, bool)

    def is_rate(checker, value):
        return value == "tuned" or checker.is_type(value, "number")

    def is_bound(checker, value):
        return checker.is_type(value, "number") or value in (math.inf, -math.inf)

    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number, "rate": is_rate, "bound": is_bound}
    )
    extended = validators.extend(Draft202012Validator, {"properties": filling}, type_checker=types)
    return extended(schema)


def sentences(error, prefix="", whole="the config"):
    """What a schema violation means, in words: the key, the value, what is allowed."""
    path = ".".join([*filter(None, [prefix]), *map(str, error.absolute_path)])
    key, value, wanted = path or whole, error.instance, error.validator_value
    if error.validator == "additionalProperties":
        allowed = list(error.schema.get("properties", {}))
        for name in (name for name in value if name not in allowed):
            yield f"unknown key {f'{path}.{name}' if path else name}{nearest(name, allowed)}"
    elif error.validator == "required":
        yield from (f"{key} lacks the key {name}" for name in wanted if name not in value)
    elif error.validator == "uniqueItems":
        twice = sorted({str(v) for v in value if value.count(v) > 1})
        yield f"{key} names {', '.join(twice)} twice; each may stand there once"
    elif error.validator == "type":
        kinds = wanted if isinstance(wanted, list) else [wanted]
        misread = not {"string"} & {*kinds} and POWER_OF_TEN.fullmatch(str(value))
        hint = " (YAML reads 1e-3 as text; write 0.001)" if misread else ""
        yield f"{key} is {value!r}; it must be {' or '.join(map(TYPES.get, kinds))}{hint}"
    elif error.validator == "enum":
        allowed = f"allowed: {', '.join(map(str, wanted))}"
        yield f"{key} is {value!r}; {allowed}{nearest(value, wanted, list_all=False)}"
    elif error.validator in LIMITS:
        yield f"{key} is {value!r}; it must {LIMITS[error.validator].format(wanted)}"
    else:
        yield f"{key} is {value!r}; {error.schema.get('description', error.message)}"


def nearest(name, allowed, list_all=True):
    """ "; did you mean X?" where something is close, else what is allowed."""
    allowed = [str(item) for item in allowed]
    close = difflib.get_close_matches(str(name), allowed, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; allowed: {', '.join(allowed)}" if list_all else ""
