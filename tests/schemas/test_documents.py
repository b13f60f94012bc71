"""OpenAPI and AsyncAPI: valid by their own rules, and their examples by ours."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from schemas.export import FOLDER
from tests.schemas.reading import Document, read

PARSER = "@asyncapi/parser@3.6.3"
CACHE = Path(__file__).parents[2] / ".cache" / "asyncapi"


def test_openapi_is_valid() -> None:
    OpenAPIV31SpecValidator(read("openapi.json")).validate()


def test_an_invalid_openapi_is_seen() -> None:
    document = read("openapi.json")
    document["paths"]["/fraud-detection"]["post"]["responses"] = []
    assert list(OpenAPIV31SpecValidator(document).iter_errors())


def within(document: Document, schema: Document) -> Draft202012Validator:
    """A validator of a schema that refers into its document."""
    return Draft202012Validator(
        {**schema, "components": document["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def media(operation: Document) -> list[Document]:
    """Every body of an operation: of the request and of each answer."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [media for body in bodies for media in body.get("content", {}).values()]


def test_openapi_examples_pass_their_schemas() -> None:
    document = read("openapi.json")
    checked = 0
    for path in document["paths"].values():
        for operation in path.values():
            for part in media(operation):
                shown = [entry["value"] for entry in part.get("examples", {}).values()]
                shown += [part["example"]] if "example" in part else []
                for value in shown:
                    within(document, part["schema"]).validate(value)
                checked += len(shown)
    assert checked >= 7


def test_asyncapi_examples_pass_their_schemas() -> None:
    document = read("asyncapi.json")
    checked = 0
    for message in document["components"]["messages"].values():
        for example in message["examples"]:
            for part, value in example.items():
                within(document, message[part]).validate(value)
                checked += 1
    assert checked >= 11


def parser_folder() -> Path:
    """A folder with the official parser, installed through npm when it is not there yet.

    Skips without Node.js or when no package registry answers.
    """
    if shutil.which("npm") is None:
        unavailable("Node.js with npm is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "package.json").write_text('{"private": true}')
    if not (CACHE / "node_modules" / "@asyncapi" / "parser").is_dir():
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(
            [*command, PARSER], cwd=CACHE, check=False, capture_output=True, text=True
        )
        if done.returncode:
            unavailable(f"npm install {PARSER} failed: {done.stderr.strip()[-200:]}")
    return CACHE


def unavailable(why: str) -> NoReturn:
    pytest.skip(f"AsyncAPI is not validated: {why}")


def diagnose(folder: Path, document: Path) -> list[dict[str, Any]]:
    """Errors and warnings of the official parser."""
    script = Path(__file__).with_name("asyncapi.mjs")
    command = ["node", str(script), str(folder), str(document)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_asyncapi_passes_the_official_parser(tmp_path: Path) -> None:
    folder = parser_folder()
    assert diagnose(folder, FOLDER / "asyncapi.json") == []

    wrong = read("asyncapi.json")
    wrong["operations"]["scoreClaim"]["action"] = "devour"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    assert diagnose(folder, tmp_path / "wrong.json")
