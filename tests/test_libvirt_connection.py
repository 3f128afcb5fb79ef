"""What is asked of libvirt, by the library's own test driver."""

from __future__ import annotations

import re

import libvirt
import pytest

from provision.edges.libvirt.connection import Libvirt
from provision.runtime.errors import HostError


def test_a_definition_is_removed_with_its_firmware_variables_and_tpm_state() -> None:
    """The test driver has neither, and refuses by their flags what a daemon with QEMU takes."""
    there = Libvirt("test:///default")
    there.destroy("test")

    with pytest.raises(HostError) as caught:
        there.undefine("test")

    [refused] = re.findall(r"unsupported flags \((0x[0-9a-f]+)\)", str(caught.value))
    assert int(refused, 16) == libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_TPM
    assert there.domain("test") is not None
    there.close()


def test_what_is_not_defined_needs_no_removal() -> None:
    there = Libvirt("test:///default")

    there.undefine("nobody")

    assert there.domain("nobody") is None
    there.close()
