"""WS-Management as a Windows guest speaks it (MS-WSMV), as far as a session of PowerShell's needs it: strict, and no Windows.

PowerShell's remoting is psrpcore's, its server's half; scripts are not run, but answered as a test says.
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree
from psrpcore import CreatePipelineEvent, PSRPPayload, ServerPipeline, ServerRunspacePool, StreamType
from psrpcore.types import PSInvocationState

NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "ps": "http://schemas.microsoft.com/powershell",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
}
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
RESOURCE = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
TIMED_OUT = 0x80338029
NO_SHELL = 0x8033805B
_PIECE, _PIECES = 30_000, 10
"""Bytes at a time, and how many times an answer: less than 512,000 as base64."""

Answer = Callable[[ServerPipeline, str], None]
"""What a test makes of a script: it writes to the pipeline, and completes it, or not."""


class WrongError(Exception):
    """The client speaks wrongly."""


class FaultError(Exception):
    """The service says no, with such a number."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Shell:
    """A session."""

    def __init__(self) -> None:
        self.pool = ServerRunspacePool()
        self.pipelines: dict[str, ServerPipeline] = {}

    def take(self, data: str, pipeline: uuid.UUID | None = None) -> list[Any]:
        """What the client says, as events."""
        self.pool.receive_data(
            PSRPPayload(base64.b64decode(data, validate=True), StreamType.default, pipeline)
        )
        events = []
        while (event := self.pool.next_event()) is not None:
            events.append(event)
        return events


class Service:
    """All that the guest keeps, and what was asked of it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.shells: dict[str, Shell] = {}
        self.asked: list[str] = []
        """Each action's name, in order."""
        self.scripts: list[str] = []
        self.idle: list[str] = []
        self.changed = threading.Condition()
        self.is_over = False

    def respond(self, text: bytes, endpoint: str) -> bytes:
        """The answer to a message."""
        root = etree.fromstring(text)
        request = _Request(root, endpoint)
        self.asked.append(request.action)
        act = getattr(self, f"_{request.action.lower()}", None)
        if act is None:
            raise WrongError(f"nobody needs {request.action}")
        with self.changed:
            body = act(request)
            self.changed.notify_all()
        kind = TRANSFER if request.action in ("Create", "Delete") else SHELL
        return request.envelope(f"{kind}/{request.action}Response", body)

    def _create(self, request: _Request) -> str:
        if (resource := request.header("w:ResourceURI")) != RESOURCE:
            raise FaultError(0x8033803B, f"there is no {resource}")
        if request.option("protocolversion") != "2.3":
            raise WrongError("of what protocol?")
        made = request.one("s:Body/rsp:Shell")
        name = made.get("ShellId")
        if request.text("s:Body/rsp:Shell/rsp:InputStreams") != "stdin pr" or not name:
            raise WrongError("it is no shell of PowerShell's")
        self.idle.append(request.text("s:Body/rsp:Shell/rsp:IdleTimeOut"))
        shell = Shell()
        shell.take(request.text("s:Body/rsp:Shell/ps:creationXml"))
        self.shells[name] = shell
        return (
            f"<x:ResourceCreated><a:Address>{request.endpoint}</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{RESOURCE}</w:ResourceURI><w:SelectorSet><w:Selector Name='ShellId'>{name}</w:Selector>"
            f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
            f"<rsp:Shell><rsp:ShellId>{name}</rsp:ShellId><rsp:ResourceUri>{RESOURCE}</rsp:ResourceUri></rsp:Shell>"
        )

    def _command(self, request: _Request) -> str:
        shell = self._shell(request)
        name = request.one("s:Body/rsp:CommandLine").get("CommandId", "")
        pipeline = ServerPipeline(shell.pool, uuid.UUID(name))
        shell.pipelines[name] = pipeline
        self._heard(shell, pipeline, request.text("s:Body/rsp:CommandLine/rsp:Arguments"))
        return f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, request: _Request) -> str:
        shell = self._shell(request)
        stream = request.one("s:Body/rsp:Send/rsp:Stream")
        self._heard(shell, shell.pipelines[stream.get("CommandId", "")], stream.text or "")
        return "<rsp:SendResponse/>"

    def _heard(self, shell: Shell, pipeline: ServerPipeline, data: str) -> None:
        for event in shell.take(data, pipeline.pipeline_id):
            if isinstance(event, CreatePipelineEvent):
                (command,) = event.pipeline.commands
                if not command.is_script:
                    raise WrongError("it is no script")
                self.scripts.append(command.command_text)
                pipeline.start()
                self.answer(pipeline, command.command_text)

    def _receive(self, request: _Request) -> str:
        shell = self._shell(request)
        stream = request.one("s:Body/rsp:Receive/rsp:DesiredStream")
        name = stream.get("CommandId", "")
        if stream.text != "stdout" or (name and name not in shell.pipelines):
            raise WrongError("there is no such stream")
        said: list[bytes] = []

        def something() -> bool:
            while len(said) < _PIECES and (payload := shell.pool.data_to_send(_PIECE)) is not None:
                said.append(payload.data)
            return bool(said) or self.is_over or shell not in self.shells.values()

        if not self.changed.wait_for(something, request.patience):
            raise FaultError(TIMED_OUT, "the operation has timed out")
        which = f" CommandId='{name}'" if name else ""
        data = base64.b64encode(b"".join(said)).decode()
        return (
            f"<rsp:ReceiveResponse><rsp:Stream Name='stdout'{which}>{data}</rsp:Stream></rsp:ReceiveResponse>"
        )

    def _signal(self, request: _Request) -> str:
        signal = request.one("s:Body/rsp:Signal")
        if request.text("s:Body/rsp:Signal/rsp:Code") != "powershell/signal/ctrl_c":
            raise WrongError("it is no signal of PowerShell's")
        pipeline = self._shell(request).pipelines[signal.get("CommandId", "")]
        if pipeline.state == PSInvocationState.Running:
            pipeline.stop()
        return "<rsp:SignalResponse/>"

    def _delete(self, request: _Request) -> str:
        self._shell(request)
        del self.shells[request.selector("ShellId")]
        return ""

    def _shell(self, request: _Request) -> Shell:
        shell = self.shells.get(request.selector("ShellId"))
        if shell is None:
            raise FaultError(NO_SHELL, "there is no such shell")
        return shell


class _Request:
    """A message, of which all has to be there that a Windows wants."""

    def __init__(self, root: Any, endpoint: str) -> None:
        self._root = root
        self.endpoint = endpoint
        self.action = self.header("a:Action").rpartition("/")[2]
        self.identity = self.header("a:MessageID")
        if root.tag != f"{{{NAMES['s']}}}Envelope" or not self.identity.startswith("uuid:"):
            raise WrongError("it is no message")
        if self.header("a:To") != endpoint:
            raise WrongError(f"it is for {self.header('a:To')}")
        if not 8192 <= int(self.header("w:MaxEnvelopeSize")) <= 512_000:
            raise WrongError("of what size?")
        self.patience = float(self.header("w:OperationTimeout").removeprefix("PT").removesuffix("S"))
        for name in ("p:SessionId", "w:Locale", "p:DataLocale", "a:ReplyTo"):
            self.one(f"s:Header/{name}")

    def one(self, path: str) -> Any:
        found = self._root.findall(path, NAMES)
        if len(found) != 1:
            raise WrongError(f"{len(found)} of {path}")
        return found[0]

    def text(self, path: str) -> str:
        return self.one(path).text or ""

    def header(self, name: str) -> str:
        return self.text(f"s:Header/{name}")

    def selector(self, name: str) -> str:
        return self.text(f"s:Header/w:SelectorSet/w:Selector[@Name='{name}']")

    def option(self, name: str) -> str:
        return self.text(f"s:Header/w:OptionSet/w:Option[@Name='{name}']")

    def envelope(self, action: str, body: str) -> bytes:
        return envelope(action, self.identity, body)


def envelope(action: str, relates: str, body: str) -> bytes:
    names = " ".join(f'xmlns:{short}="{name}"' for short, name in NAMES.items())
    header = f"<a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
    header += f"<a:RelatesTo>{escape(relates)}</a:RelatesTo>"
    return f"<s:Envelope {names}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def fault(code: int, words: str) -> bytes:
    """A fault as WinRM says it."""
    said = (
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:InternalError</s:Value></s:Subcode></s:Code>"
        f"<s:Reason><s:Text xml:lang='en-US'>{escape(words)}</s:Text></s:Reason><s:Detail>"
        f"<f:WSManFault Code='{code}' Machine='win2022'><f:Message>{escape(words)}</f:Message></f:WSManFault></s:Detail></s:Fault>"
    )
    return envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", "uuid:0", said)
