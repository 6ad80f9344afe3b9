"""Names that users of the reference know are where they look for them."""

from importlib import import_module

import pytest

import hardpoint
import hardpoint.extend


@pytest.mark.parametrize("name", hardpoint.__all__)
def test_names_of_the_package(name: str) -> None:
    assert getattr(hardpoint, name) is not None


@pytest.mark.parametrize("name", hardpoint.extend.__all__)
def test_names_of_extend(name: str) -> None:
    assert getattr(hardpoint.extend, name) is not None


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("types.file", "FlyteFile"),
        ("types.directory", "FlyteDirectory"),
        ("types.structured", "StructuredDataset"),
        ("types.schema", "FlyteSchema"),
        ("types.pickle", "FlytePickle"),
        ("types.iterator", "JSON"),
        ("types.error", "FlyteError"),
        ("deck", "Deck"),
        ("configuration", "SerializationSettings"),
        ("sensor", "BaseSensor"),
        ("extend.backend.base_connector", "AsyncConnectorBase"),
        ("testing", "CodecConformance"),
    ],
)
def test_submodules_keep_their_names(module: str, name: str) -> None:
    assert getattr(import_module(f"hardpoint.{module}"), name) is not None
