"""Says what a third party thinks of OCSF events: JSON lines in, for each a list of problems out.

Needs the PyPI packages ocsf-json-schema (the schema's exports and JSON Schemas made of them) and
jsonschema. A problem is the JSON Schema keyword that failed and the place where it did.
"""
import functools
import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema


@functools.lru_cache(None)
def schema(version):
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))


@functools.lru_cache(None)
def validator(version, uid, profiles):
    # Looked up here: its own look-up drops the extension from the name and then misses the class.
    of = schema(version)
    classes = of.schema.schema["classes"]
    name = next(name for name, of_class in classes.items() if of_class["uid"] == uid)
    return Draft202012Validator(of.get_class_schema(class_name=name, profiles=list(profiles)))


for line in sys.stdin:
    event = json.loads(line)
    try:
        profiles = tuple(sorted(event["metadata"].get("profiles", [])))
        judge = validator(sys.argv[1], event["class_uid"], profiles)
    except Exception:
        print(json.dumps(["class "]))
        continue
    found = {e.validator + " " + ".".join(map(str, e.absolute_path)) for e in judge.iter_errors(event)}
    print(json.dumps(sorted(found)))
