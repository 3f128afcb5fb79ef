"""Every keyword that `ssh -G` prints, and what becomes of it here; docs/reference.md has the same table.

Nothing that protects is passed over: it is obeyed, or the host is refused with the reason. What lets more in than we do
(SSHFP records, no check on localhost) is not taken up, and what is for people at a terminal has no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Meaning(StrEnum):
    """What becomes of a keyword."""

    HONOURED = "honoured"
    NONE = "without meaning here"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword of ssh_config(5)."""

    name: str
    meaning: Meaning
    words: str
    """How it is honoured, why it has no meaning, or what is refused."""
    refuses: Callable[[str], bool] | None = None
    """Whether a value is one that is refused."""


_HONOURED = {
    "AddressFamily": "addresses of the other family are not tried",
    "BindAddress": "the connection comes from it",
    "BindInterface": "the connection comes from an address of it",
    "CASignatureAlgorithms": "a host's certificate that is signed otherwise does not count",
    "CanonicalDomains": "`ssh` has applied it",
    "CanonicalizeFallbackLocal": "`ssh` has applied it",
    "CanonicalizeHostname": "`ssh` has applied it",
    "CanonicalizeMaxDots": "`ssh` has applied it",
    "CanonicalizePermittedCNAMEs": "`ssh` has applied it",
    "CertificateFile": "offered with the key that it is for; without any, what stands in `KEY-cert.pub`",
    "CheckHostIP": "the address must not be known with another key, nor the key revoked for it",
    "Ciphers": "narrows what rscvm offers; where nothing is left, the host is refused",
    "GlobalKnownHostsFile": "read, `@revoked` and `@cert-authority` included",
    "Host": "`ssh` has applied it",
    "HostKeyAlgorithms": "narrows what rscvm takes; where nothing is left, the host is refused",
    "HostKeyAlias": "the name in files of known hosts and in a host's certificate",
    "Hostname": "where the connection goes",
    "IdentitiesOnly": "keys that only the agent has are not offered",
    "IdentityAgent": "`none`, a path, `SSH_AUTH_SOCK` or another variable; it has 10 s for an answer",
    "IdentityFile": "offered, by the agent where that has it",
    "IgnoreUnknown": "`ssh` has applied it",
    "KexAlgorithms": "narrows what rscvm offers; where nothing is left, the host is refused",
    "MACs": "narrows what rscvm offers; where nothing is left, the host is refused",
    "Port": "where the connection goes",
    "ProxyCommand": "run; messages name its first word alone, as the rest may hold passwords",
    "ProxyJump": "`ssh -W` to the last host on the way, which is as strict about it",
    "PubkeyAcceptedAlgorithms": "keys and certificates of other kinds are not offered",
    "PubkeyAcceptedKeyTypes": "PubkeyAcceptedAlgorithms, as older ones name it",
    "RSAMinSize": "RequiredRSASize, as older ones of Red Hat name it",
    "RekeyLimit": "its bytes, from 64 KiB up to the 512 MiB after which keys are changed in any case",
    "RequiredRSASize": "shorter RSA keys are neither taken nor offered",
    "RevokedHostKeys": "a list of keys or a KRL, asked by `ssh-keygen`; one that cannot be read refuses every host, as for `ssh`",
    "Tag": "`ssh` has applied it",
    "User": "whom we log in as",
    "UserKnownHostsFile": "read, `@revoked` and `@cert-authority` included",
}

_WITHOUT_MEANING = {
    "nothing is asked on a terminal": "BatchMode NumberOfPasswordPrompts",
    "rscvm logs in by keys alone": "ChallengeResponseAuthentication GSSAPIAuthentication GSSAPIClientIdentity GSSAPIDelegateCredentials GSSAPIKexAlgorithms"
    " GSSAPIKeyExchange GSSAPIRenewalForcesRekey GSSAPIServerIdentity GSSAPITrustDNS HostbasedAcceptedAlgorithms"
    " HostbasedAuthentication HostbasedKeyTypes EnableSSHKeysign KbdInteractiveAuthentication KbdInteractiveDevices PasswordAuthentication",
    "nothing is forwarded": "ClearAllForwardings DynamicForward ExitOnForwardFailure ForwardAgent ForwardX11"
    " ForwardX11Timeout ForwardX11Trusted GatewayPorts LocalForward PermitRemoteOpen RemoteForward StreamLocalBindMask"
    " StreamLocalBindUnlink Tunnel TunnelDevice XAuthLocation",
    "there is one connection, of rscvm's own": "ControlMaster ControlPath ControlPersist",
    "rscvm has deadlines of its own": "ChannelTimeout ConnectTimeout ConnectionAttempts ServerAliveCountMax"
    " ServerAliveInterval TCPKeepAlive",
    "rscvm says which commands run": "ForkAfterAuthentication LocalCommand PermitLocalCommand RemoteCommand RequestTTY"
    " SessionType StdinNull",
    "there is nobody who types": "EnableEscapeCommandline EscapeChar ObscureKeystrokeTiming",
    "commands run with `LC_ALL=C.UTF-8` and nothing else of ours": "SendEnv SetEnv",
    "no file is written and no agent is given anything": "AddKeysToAgent HashKnownHosts UpdateHostKeys",
    "rscvm's messages are its own": "FingerprintHash LogLevel LogVerbose SyslogFacility VisualHostKey WarnWeakCrypto",
    "rscvm is stricter: host keys are always checked, by what is known here": "NoHostAuthenticationForLocalhost"
    " StrictHostKeyChecking VerifyHostKeyDNS",
    "an agent offers such keys (`ssh-add -s`, `ssh-add -K`)": "PKCS11Provider SecurityKeyProvider",
    "how fast packets travel is left to the system": "Compression IPQoS",
    "rscvm's greeting is its own": "VersionAddendum",
}


def _other_than(*fine: str) -> Callable[[str], bool]:
    return lambda value: value.lower() not in fine


_REFUSED = {
    "KnownHostsCommand": (
        "what it says of a host, `@revoked` included, only `ssh` asks; name a file of known hosts instead",
        _other_than("none"),
    ),
    "PreferredAuthentications": (
        "without `publickey`, and rscvm logs in by keys alone",
        lambda value: "publickey" not in value.lower().split(","),
    ),
    "ProxyUseFdpass": (
        "a ProxyCommand hands on bytes, and no descriptor; use one that does without",
        _other_than("no"),
    ),
    "PubkeyAuthentication": (
        "to `no`, and rscvm logs in by keys alone",
        lambda value: value.lower() in ("no", "false"),
    ),
    "RefuseConnection": ("by `ssh` itself, and its words are told", _other_than()),
}  # fmt: skip

KEYWORDS = tuple(
    sorted(
        (
            *(Keyword(name, Meaning.HONOURED, words) for name, words in _HONOURED.items()),
            *(
                Keyword(name, Meaning.NONE, words)
                for words, names in _WITHOUT_MEANING.items()
                for name in names.split()
            ),
            *(Keyword(name, Meaning.REFUSED, *rest) for name, rest in _REFUSED.items()),
        ),
        key=lambda keyword: keyword.name.lower(),
    )
)
"""One row a keyword. One that a future `ssh` prints and that is not here is passed over."""


def refusals(said: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What `ssh` would obey and rscvm cannot, each with its keyword and the reason."""
    for keyword in KEYWORDS:
        if keyword.refuses and any(map(keyword.refuses, said.get(keyword.name.lower(), ()))):
            yield f"{keyword.name} is set: {keyword.words}"
