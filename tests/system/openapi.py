"""nginx/html/openapi.yaml as a judge: every answer a test gets must be one that it describes."""

import json
import os

import jsonschema
import yaml

from stack import TOP, Stack

DOCUMENT = os.path.join(TOP, "nginx", "html", "openapi.yaml")
PROBLEM = "application/problem+json"


class Contract:
    def __init__(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.seen = set()  # (method, path as in the document, status as in the document)
        self.validators = {}

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def operations(self):
        """(method, path, operation, with all its parameters resolved) of each."""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    parameters = item.get("parameters", []) + operation.get("parameters", [])
                    yield method, path, operation, [self.resolve(p) for p in parameters]

    def responses(self, operation):
        return {status: self.resolve(r) for status, r in operation["responses"].items()}

    def find(self, target):
        """The path in the document that a request's target belongs to."""
        asked = target.split("?")[0].split("/")
        for path in self.document["paths"]:
            parts = path.split("/")
            if len(parts) == len(asked) and all(p == a or (p.startswith("{") and a) for p, a in zip(parts, asked)):
                return path
        return None

    def validate(self, schema, value):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            whole = {**schema, "components": self.document["components"]}
            self.validators[key] = jsonschema.Draft202012Validator(whole)
        errors = [f"{e.json_path}: {e.message}" for e in self.validators[key].iter_errors(value)]
        assert not errors, errors

    def check_problem(self, answer):
        assert answer.status >= 400, answer
        assert answer.headers.get_content_type() == PROBLEM, answer.headers
        self.validate({"$ref": "#/components/schemas/Problem"}, answer.json)

    def check_headers(self, response, answer):
        for name, header in response.get("headers", {}).items():
            header, value = self.resolve(header), answer.headers[name]
            assert value is not None or not header.get("required"), f"no {name}"
            if value is not None:
                self.validate(header["schema"], value)

    def check_body(self, response, answer):
        if "content" not in response:
            assert answer.body == b"", answer
            return
        kind = answer.headers.get_content_type()
        assert kind in response["content"], kind
        value = answer.json if kind.endswith("json") else answer.body.decode()
        self.validate(response["content"][kind]["schema"], value)

    def check_described(self, response, method, answer):
        self.check_headers(response, answer)
        if method == "HEAD":
            assert answer.body == b"", answer
        else:
            self.check_body(response, answer)

    def check(self, method, target, answer):
        path = self.find(target)
        item = self.document["paths"].get(path, {})
        operation = item.get("get" if method == "HEAD" else method.lower())
        if method == "OPTIONS":
            assert answer.status >= 400 or answer.headers["Allow"], answer.headers
        elif operation is None:
            if path is not None or answer.status >= 400 and method != "HEAD":
                self.check_problem(answer)
        else:
            responses = self.responses(operation)
            status = str(answer.status) if str(answer.status) in responses else "default"
            self.seen.add((method.lower(), path, status))
            if status == "default" and method != "HEAD":
                self.check_problem(answer)
            self.check_described(responses[status], method, answer)


CONTRACT = Contract()


class JudgedStack(Stack):
    """A stack whose every answer is checked."""

    def request(self, method, path, *args, **kwargs):
        answer = super().request(method, path, *args, **kwargs)
        try:
            CONTRACT.check(method, path, answer)
        except AssertionError as error:
            raise AssertionError(f"{method} {path[:80]}: {answer}: {error}") from None
        return answer
