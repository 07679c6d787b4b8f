"""Every available device sits the same exam."""

import pytest

from netts.testing import available_devices


@pytest.fixture(params=available_devices())
def device(request):
    return request.param
