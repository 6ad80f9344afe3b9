from __future__ import annotations

import pytest

from hardpoint.tasks.image import Image, ImageConfig
from hardpoint.tasks.serialization import SerializationSettings


@pytest.fixture
def settings() -> SerializationSettings:
    return SerializationSettings(ImageConfig(Image("d", "im", "t")), "p", "d", "v", env={})
