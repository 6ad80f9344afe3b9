"""Configurations with inputs in them, and tokens."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hardpoint import FlyteFile, StructuredDataset
from hardpoint.errors import UserError
from hardpoint.integrations._aws import plain
from hardpoint.integrations.awssagemaker_inference import triton_image_uri
from hardpoint.integrations.awssagemaker_inference.images import ACCOUNTS, filled
from hardpoint.integrations.awssagemaker_inference.template import MissingKeyError, Resolved, canonical, resolve
from hardpoint.integrations.awssagemaker_inference.xxh64 import xxh64
from hardpoint.types import TypeEngine

REGION = "us-west-2"


def resolved(config: Any, service: str = "sagemaker", images: Any = None, **inputs: Any) -> Resolved:
    return resolve(config, inputs=inputs, images=images or {}, region=REGION, service=service)


# -- tokens ------------------------------------------------------------------------------------------------------------

CONTAINER = {
    "Image": "301217895009.dkr.ecr.us-west-2.amazonaws.com/sagemaker-tritonserver:21.08-py3",
    "ModelDataUrl": "s3://sagemaker-connector-xgboost/model.tar.gz",
}
LONG = "xgboost-random-string-1234567890123456789012345678"


@pytest.mark.parametrize(
    ("config", "token", "key", "name"),
    [
        (
            {"ModelName": "xgboost-{idempotence_token}", "PrimaryContainer": CONTAINER},
            "2de338ec95ee0da6",
            "ModelName",
            "xgboost-2de338ec95ee0da6",
        ),
        (
            {"ModelName": f"{LONG}-{{idempotence_token}}", "PrimaryContainer": CONTAINER},
            "1a25e4bb988697a7",
            "ModelName",
            f"{LONG}-1a25e4bb9886",
        ),
        (
            {"EndpointName": "n-{idempotence_token}", "EndpointConfigName": "c-ab"},
            "6383831b903c0848",
            "EndpointName",
            "n-6383831b903c0848",
        ),
    ],
)
def test_tokens_are_the_references(config: Any, token: str, key: str, name: str) -> None:
    before = copy.deepcopy(config)
    found = resolved(config)
    assert (found.token, found.config[key]) == (token, name)
    assert config == before


def test_a_token_is_made_of_what_the_call_gets() -> None:
    direct = resolved({"N": "a-{idempotence_token}", "I": CONTAINER["Image"], "n": 3})
    config = {"N": "{inputs.a}-{idempotence_token}", "I": "{images.i}", "n": "{inputs.n}"}
    assert resolved(config, images={"i": triton_image_uri("21.08")}, a="a", n=3) == direct


def test_without_the_word_there_is_no_token() -> None:
    assert resolved({"a": "{inputs.idempotence_token}"}, idempotence_token="t").token == ""
    assert resolved(None) == Resolved({}, "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [2, 1]}, "{a: [1, 2], b: 1}"),
        ([True, None, 1.0, "x"], "[1.0, None, True, x]"),
        ([{"b": 1}, {"a": 2}], "[{a: 2}, {b: 1}]"),
        ("ü", "ü"),
    ],
)
def test_the_text_that_is_hashed(value: Any, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"", "ef46db3751d8e999"),
        (b"a", "d24ec4f1a98c6e5b"),
        (b"abc", "44bc2cf5ad770999"),
        (b"Nobody inspects the spammish repetition", "fbcea83c8a378bf1"),
    ],
)
def test_the_hash(data: bytes, hashed: str) -> None:
    assert xxh64(data) == hashed


@pytest.mark.parametrize(
    ("service", "text", "name"),
    [
        ("sagemaker", "p" * 40 + "-{inputs.idempotence_token}", "p" * 40 + "-0123456789abcdef"),
        ("sagemaker", "p" * 50 + "-{inputs.idempotence_token}", "p" * 50 + "-0123456789ab"),
        ("sagemaker", "p" * 70 + "-{inputs.idempotence_token}", "p" * 70 + "-"),
        ("s3", "p" * 70 + "-{inputs.idempotence_token}", "p" * 70 + "-0123456789abcdef"),
        ("sagemaker", "{inputs.idempotence_token}", "0123456789abcdef"),
    ],
)
def test_a_token_is_cut_to_fit(service: str, text: str, name: str) -> None:
    assert resolved({"N": text}, service, idempotence_token="0123456789abcdef").config == {"N": name}


# -- placeholders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{inputs.n}", 3),
        ("n is {inputs.n}", "n is 3"),
        ("{inputs.n}{inputs.s}", "3x"),
        ("{inputs.d.a}", [1, 2]),
        ("{inputs.j.a}", 5),
        ("{inputs.nothing}", None),
        ("{images.web}", "web:1"),
        ("{unknown}", "{unknown}"),
        ("{}", "{}"),
        ('{"a.b": 1}', '{"a.b": 1}'),
        (["{inputs.n}", {"k": "{inputs.s}"}], [3, {"k": "x"}]),
        (7, 7),
        (None, None),
    ],
)
def test_what_placeholders_stand_for(template: Any, value: Any) -> None:
    inputs = {"n": 3, "s": "x", "d": {"a": [1, 2]}, "j": '{"a": 5}', "nothing": None}
    assert resolved({"k": template}, images={"web": "web:1"}, **inputs).config == {"k": value}


def test_values_are_not_read_as_placeholders() -> None:
    assert resolved({"k": "{inputs.a}"}, a="{inputs.b}", b="secret").config == {"k": "{inputs.b}"}


@pytest.mark.parametrize("template", ["{inputs.missing}", "a {inputs.n.deep}", "{images.none}", "{other.thing}"])
def test_a_placeholder_that_stands_for_nothing(template: str) -> None:
    with pytest.raises(MissingKeyError, match=r"Could not find the key \w+ in") as caught:
        resolved({"k": template}, n="private")
    assert "private" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@dataclass
class Point:
    x: int = 1
    y: float = 2.0


@pytest.mark.parametrize(
    ("value", "python_type", "expected"),
    [
        (1, int, 1),
        (1.0, float, 1.0),
        (True, bool, True),
        ("x", str, "x"),
        (datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC), datetime, "2024-01-02T03:04:05.000678+00:00"),
        (timedelta(seconds=90, milliseconds=5), timedelta, 90.005),
        (None, type(None), None),
        ([1, 2], list[int], [1, 2]),
        ({"a": "b"}, dict[str, str], {"a": "b"}),
        (Point(), Point, '{"x": 1, "y": 2.0}'),
        (3, int | None, 3),
        ({"x": [1, 2.0, True, None]}, dict, '{"x": [1, 2.0, true, null]}'),
        (FlyteFile("s3://b/f"), FlyteFile, "s3://b/f"),
        (StructuredDataset(uri="s3://b/t", file_format="parquet"), StructuredDataset, "s3://b/t"),
    ],
)
def test_inputs_are_plain_values(value: Any, python_type: Any, expected: Any) -> None:
    found = plain(TypeEngine.codec(python_type).encode(value))
    assert (found, type(found)) == (expected, type(expected))


# -- images ------------------------------------------------------------------------------------------------------------


def test_tritons_images() -> None:
    open_ = "{account_id}.dkr.ecr.{region}.{base}/sagemaker-tritonserver:23.12-py3"
    assert triton_image_uri() == open_
    assert filled(open_, "us-east-1") == (
        "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:23.12-py3"
    )
    assert filled(open_, "cn-north-1") == (
        "472730292857.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-tritonserver:23.12-py3"
    )
    assert filled("1.dkr.{region}/sagemaker-tritonserver:1", "il-central-1") == (
        "1.dkr.il-central-1/sagemaker-tritonserver:1"
    )
    assert filled("other/{account_id}", "us-east-1") == "other/{account_id}"
    assert len(ACCOUNTS) == 22
    with pytest.raises(UserError, match="in il-central-1") as caught:
        filled(open_, "il-central-1")
    assert "{account_id}" in str(caught.value)
