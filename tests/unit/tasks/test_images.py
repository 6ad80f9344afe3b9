from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hardpoint.context import FlyteContextManager, Mode
from hardpoint.errors import FlyteAssertion, FlyteValidationException, UserError
from hardpoint.tasks.image import Image, ImageConfig, image_for, resolve_image
from hardpoint.tasks.image_spec import ImageBuildEngine, ImageSpec, ImageSpecBuilder
from hardpoint.tasks.serialization import FastSerializationSettings, SerializationSettings
from hardpoint.tasks.sources import CopyFileDetection
from hardpoint.tasks.task import task

CONFIG = ImageConfig.parse(["a=b:c", "im:1", "dd=x@sha256:1", "local=localhost:5000/y:2"])


@pytest.mark.parametrize(
    ("declared", "reference"),
    [
        (None, "im:1"),
        ("", "im:1"),
        ("plain", "plain"),
        ("{{.image.a.fqn}}:{{.image.a.version}}", "b:c"),
        ("{{.images.a.fqn}}:x", "b:x"),
        ("{{ .image.a }}", "b:c"),
        ("{{.image.default}}", "im:1"),
        ("{{.image.dd.fqn}}:{{.image.dd.version}}", "x@sha256:1"),
        ("{{.image.dd}}", "x@sha256:1"),
        ("{{.image.local}}", "localhost:5000/y:2"),
        (" {{.image.a}}-{{.image.default}}", " b:c-im:1"),
    ],
)
def test_names(declared: str | None, reference: str) -> None:
    assert resolve_image(declared, CONFIG) == reference


@pytest.mark.parametrize("declared", ["{{.image.dg.fqn}}:{{.image.dg.version}}", "{{.image.dg}}", None])
def test_a_digest_in_the_place_of_the_tag(declared: str | None) -> None:
    image = Image("dg", "dg", "sha256:abc")
    assert image == Image("dg", "dg", digest="sha256:abc")
    assert resolve_image(declared, ImageConfig(image, [image])) == "dg@sha256:abc"
    assert Image("dg", "dg", "sha256-abc").full == "dg:sha256-abc"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("{{.image.zz.fqn}}", "Image Config with name zz not found in the configuration"),
        ("{{.image.a.foo}}", "Only fqn and version are supported replacements, foo is not supported"),
    ],
)
def test_unknown_names(declared: str, words: str) -> None:
    with pytest.raises(FlyteAssertion, match=words):
        resolve_image(declared, CONFIG)


def test_no_default_image() -> None:
    with pytest.raises(ValueError, match="An image is required for PythonAutoContainer tasks"):
        resolve_image(None, ImageConfig())


def test_default_image_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ImageConfig.auto_default_image().default_image is None
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", "env:1")
    assert ImageConfig.auto_default_image().default_image == Image("default", "env", "1")


def test_references_are_taken_apart() -> None:
    assert Image.look_up_image_info("n", "localhost:5000/a/b:v") == Image("n", "localhost:5000/a/b", "v")
    assert Image.look_up_image_info("n", "localhost:5000/a", True) == Image("n", "localhost:5000/a")
    with pytest.raises(FlyteAssertion, match="missing tag or digest"):
        Image.look_up_image_info("n", "localhost:5000/a")


def test_two_images_of_one_name() -> None:
    with pytest.raises(FlyteValidationException, match="two images named 'a'"):
        ImageConfig.parse(["a=b:c", "a=d:e"])


# -- specs ---------------------------------------------------------------------------------------------------------------


def test_name_of_a_spec() -> None:
    spec = ImageSpec(name="X", registry="localhost:30000/Y", packages=["a"])
    assert spec.image_name() == f"localhost:30000/y/x:{spec.tag}"
    assert replace(spec, tag_format="{spec_hash}-dev").tag == f"{spec.tag}-dev"


def test_tag_is_equal_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("polars")
    program = (
        "from hardpoint.tasks.image_spec import ImageSpec\n"
        "print(ImageSpec(env={'b': '1', 'a': '2'}, packages=['x'], requirements='requirements.txt').tag)"
    )
    tags = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(tags) == 1


@pytest.mark.parametrize(
    "change",
    [{"packages": ["b"]}, {"platform": "linux/arm64"}, {"env": {"A": "1"}}, {"base_image": "x:1"}, {"cuda": "12"}],
)
def test_content_changes_the_tag(change: dict[str, Any]) -> None:
    base = ImageSpec(packages=["a"])
    assert replace(base, **change).tag != base.tag


@pytest.mark.parametrize(
    "change",
    [
        {"builder": "other"},
        {"registry_config": "x.json"},
        {"runtime_packages": ["b"]},
        {"pip_secret_mounts": [("a", "b")]},
        {"builder_options": {"force_push": True}},
    ],
)
def test_what_is_not_content_does_not(change: dict[str, Any]) -> None:
    base = ImageSpec(packages=["a"])
    assert replace(base, **change).tag == base.tag


def test_files_change_the_tag_and_not_the_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("polars")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "m.py").write_text("a = 1")
    spec = ImageSpec(requirements="requirements.txt", source_root="src", copy=["src"])
    tags, ids = {spec.tag}, {spec.id}
    for file, text in (("requirements.txt", "duckdb"), ("src/m.py", "a = 2")):
        (tmp_path / file).write_text(text)
        tags.add(spec.tag)
        ids.add(spec.id)
    (tmp_path / "src" / "__pycache__").mkdir()
    (tmp_path / "src" / "__pycache__" / "m.pyc").write_bytes(b"x")
    tags.add(spec.tag)
    assert len(tags) == 3
    assert len(ids) == 1


def test_missing_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"needs absent\.txt, which does not exist"):
        _ = ImageSpec(requirements="absent.txt").tag


@pytest.mark.parametrize("registry", ["UPPER CASE", "http://x", "a//b"])
def test_no_registry(registry: str) -> None:
    with pytest.raises(ValueError, match="Invalid container registry name") as caught:
        ImageSpec(registry=registry)
    assert isinstance(caught.value, FlyteValidationException)
    assert caught.value.remedy


def test_lists_are_lists() -> None:
    with pytest.raises(ValueError, match="packages must be a list of strings or None"):
        ImageSpec(packages="polars")


def test_changed_copies() -> None:
    base = ImageSpec(packages=["a"])
    changed = (
        base.with_packages("b")
        .with_packages(["c"])
        .with_apt_packages("git")
        .with_commands(["true"])
        .with_copy("f")
        .with_runtime_packages("r")
        .with_builder_options({"x": 1})
        .force_push()
    )
    assert base == ImageSpec(packages=["a"])
    assert changed == ImageSpec(
        packages=["a", "b", "c"],
        apt_packages=["git"],
        commands=["true"],
        copy=["f"],
        runtime_packages=["r"],
        builder_options={"x": 1, "force_push": True},
    )


def test_spec_of_this_environment() -> None:
    spec = ImageSpec.from_env(pinned_packages=["pytest"], packages=["x"])
    assert spec.packages == [f"pytest=={pytest.__version__}", "x"]
    assert spec.python_version == f"{sys.version_info[0]}.{sys.version_info[1]}"
    with pytest.raises(FlyteValidationException, match="not-there is not installed"):
        ImageSpec.from_env(pinned_packages=["not-there"])


def test_is_container(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ImageSpec(packages=["a"])
    assert spec.is_container()
    with FlyteContextManager.use(mode=Mode.LOCAL_TASK_EXECUTION):
        assert spec.is_container()
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION):
        assert not spec.is_container()
        monkeypatch.setenv("_F_IMG_ID", spec.id)
        assert spec.is_container()


def test_code_is_in_the_image_unless_it_travels_beside_it(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("a = 1")
    spec = ImageSpec(packages=["a"])
    slow = SerializationSettings(source_root=str(tmp_path))
    fast = replace(slow, fast_serialization_settings=FastSerializationSettings(enabled=True))
    assert image_for(spec, slow) == replace(spec, source_root=str(tmp_path)).image_name() != spec.image_name()
    assert image_for(spec, fast) == spec.image_name()
    never = replace(spec, source_copy_mode=CopyFileDetection.NO_COPY)
    assert image_for(never, slow) == never.image_name()


def test_runtime_packages_reach_the_container() -> None:
    @task(container_image=ImageSpec(runtime_packages=["a", "b"]), environment={"X": "1"})
    def installed(a: int) -> int:
        return a

    container = installed.template(SerializationSettings()).container
    assert {pair.key: pair.value for pair in container.env} == {"X": "1", "_F_RUNTIME_PACKAGES": "a b"}


class Recording(ImageSpecBuilder):
    def __init__(self, real: str | None = None, wanted: bool = True) -> None:
        self.built: list[str] = []
        self.real, self.wanted = real, wanted

    def should_build(self, image_spec: ImageSpec) -> bool:
        return self.wanted

    def build_image(self, image_spec: ImageSpec) -> str | None:
        self.built.append(image_spec.name)
        return self.real


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[ImageBuildEngine]:
    for name, empty in (("_registered", {}), ("_built", set()), ("real_names", {})):
        monkeypatch.setattr(ImageBuildEngine, name, empty)
    return ImageBuildEngine


def test_builders_are_chosen_by_priority_or_name(engine: type[ImageBuildEngine]) -> None:
    low, high = Recording(), Recording()
    engine.register("low", low, priority=1)
    engine.register("high", high)
    engine.build(ImageSpec(name="x"))
    engine.build(ImageSpec(name="y", builder="low"))
    assert (low.built, high.built) == (["y"], ["x"])


def test_each_image_is_built_once_after_its_base(engine: type[ImageBuildEngine]) -> None:
    builder = Recording()
    engine.register("b", builder)
    spec = ImageSpec(name="x", base_image=ImageSpec(name="base"))
    assert engine.build(spec) == engine.build(spec) == spec.image_name()
    assert builder.built == ["base", "x"]


def test_builder_may_call_the_image_something_else(engine: type[ImageBuildEngine]) -> None:
    engine.register("b", Recording(real="real:1"))
    spec = ImageSpec(name="x")
    assert engine.build(spec) == "real:1"
    assert spec.image_name() == "real:1"
    assert ImageSpec(name="y", base_image=spec).tag != ImageSpec(name="y", base_image=ImageSpec(name="z")).tag


def test_what_is_there_is_not_built_unless_forced(engine: type[ImageBuildEngine]) -> None:
    builder = Recording(wanted=False)
    engine.register("b", builder)
    engine.build(ImageSpec(name="x"))
    assert builder.built == []
    engine.build(ImageSpec(name="y").force_push())
    assert builder.built == ["y"]


def test_unknown_builder(engine: type[ImageBuildEngine]) -> None:
    with pytest.raises(UserError, match="no image builder 'absent'") as caught:
        engine.build(ImageSpec(builder="absent"))
    assert caught.value.remedy
