"""Says whether answers are as an OpenAPI 3.1 document describes them; stricter than a client need be,
for here a member that is not described is a mistake too.

Needs the PyPI package jsonschema.
"""
import json
import sys

from jsonschema import Draft202012Validator, FormatChecker

told = json.load(sys.stdin)
description = told["description"]
operations = {
    operation["operationId"]: operation
    for path in description["paths"].values()
    for operation in path.values()
}


def strict(schema):
    """Nothing may be there that is not described."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: strict(value) for name, value in schema.items()}
    if "properties" in out and "additionalProperties" not in out and "oneOf" not in out:
        out["additionalProperties"] = False
    return out


components = strict(description["components"])
for component in components["schemas"].values():
    Draft202012Validator.check_schema(component)
wrong = []
for case in told["cases"]:
    answers = operations[case["operation"]]["responses"]
    answer = answers.get(str(case["status"]))
    where = f"{case['operation']} {case['status']} {case['kind']}"
    if answer is None:
        wrong.append(f"{where}: the status is not described")
        continue
    content = answer.get("content", {})
    if not content:
        if case["body"]:
            wrong.append(f"{where}: a body is not described")
        continue
    if case["kind"] not in content:
        wrong.append(f"{where}: the media type is not described")
        continue
    schema = {"components": components, **strict(content[case["kind"]].get("schema", {}))}
    judge = Draft202012Validator(schema, format_checker=FormatChecker())
    for error in judge.iter_errors(case["body"]):
        wrong.append(f"{where}: {error.json_path}: {error.message[:300]}")
if wrong:
    print("\n".join(wrong))
    sys.exit(1)
print(f"{len(told['cases'])} answers are as described")
