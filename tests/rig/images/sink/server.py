"""The world outside, for tests: takes every mail, keeps it as two files, answers what it is told to.

/sink/answers.json maps a verb ("MAIL", "RCPT", "." for the end of the content, …), or a verb and an
address ("RCPT nobody@outside.test"), to the reply given in place of the ordinary one; "" hangs up.
With /sink/tls.crt and /sink/tls.key there is STARTTLS on 25 and 587, and TLS from the start on 465.
With $SINK_LOGIN ("name:password") 465 and 587 want AUTH, which is offered under TLS only.
"""

import asyncio
import base64
import binascii
import contextlib
import itertools
import json
import os
import re
import ssl
import time
from pathlib import Path

ROOT = Path("/sink")
MAILS = ROOT / "mails"
LOGIN = os.environ.get("SINK_LOGIN", "")
NAME = os.environ.get("HOSTNAME", "sink")
MAILS.mkdir(exist_ok=True)
numbers = itertools.count(1 + max((int(path.stem) for path in MAILS.glob("*.eml")), default=0))


def tls_context() -> ssl.SSLContext | None:
    if not (ROOT / "tls.crt").exists():
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT / "tls.crt", ROOT / "tls.key")
    return context


def told(verb: str, address: str = "") -> str | None:
    try:
        answers: dict[str, str] = json.loads((ROOT / "answers.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return answers.get(f"{verb} {address}".lower()) if address else answers.get(verb.lower())


class Hangup(Exception):
    """The conversation is over."""


class Session:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, encrypted: bool, private: bool
    ) -> None:
        self.reader, self.writer = reader, writer
        self.encrypted = encrypted
        self.login_needed = private and bool(LOGIN)
        self.user: str | None = None
        self.helo = ""
        self.reset()

    def reset(self) -> None:
        self.sender: str | None = None
        self.parameters = ""
        self.recipients: list[str] = []

    async def say(self, text: str) -> None:
        if not text:
            raise Hangup
        self.writer.write(text.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()

    async def line(self) -> str:
        raw = await self.reader.readline()
        if not raw.endswith(b"\n"):
            raise Hangup
        return raw.decode("utf-8", "replace").rstrip("\r\n")

    async def converse(self) -> None:
        await self.say(told("greeting") or f"220 {NAME} ESMTP sink")
        while True:
            verb, _, argument = (await self.line()).partition(" ")
            verb = verb.upper()
            address = match[1] if (match := re.search(r"<([^>]*)>", argument)) else ""
            for reply in (told(verb, address) if address else None, told(verb)):
                if reply is not None:
                    await self.say(reply)
                    break
            else:
                await self.answer(verb, argument, address)

    async def answer(self, verb: str, argument: str, address: str) -> None:
        match verb:
            case "EHLO" | "HELO":
                self.helo = argument
                self.reset()
                await self.say(self.hello() if verb == "EHLO" else f"250 {NAME}")
            case "STARTTLS" if not self.encrypted and (context := tls_context()):
                await self.say("220 2.0.0 Ready")
                await self.writer.start_tls(context)
                self.encrypted = True
            case "AUTH" if self.may_log_in():
                await self.log_in(argument)
            case "MAIL" if self.login_needed and self.user is None:
                await self.say("530 5.7.0 Authentication required")
            case "MAIL":
                self.reset()
                self.sender, self.parameters = address, argument.partition(">")[2].strip()
                await self.say("250 2.1.0 Ok")
            case "RCPT" if self.sender is not None:
                self.recipients.append(address)
                await self.say("250 2.1.5 Ok")
            case "DATA" if self.recipients:
                await self.take()
            case "RSET":
                self.reset()
                await self.say("250 2.0.0 Ok")
            case "NOOP":
                await self.say("250 2.0.0 Ok")
            case "QUIT":
                await self.say("221 2.0.0 Bye")
                raise Hangup
            case _:
                await self.say("503 5.5.1 Not now, or not known")

    def may_log_in(self) -> bool:
        return self.login_needed and self.encrypted and self.user is None

    def hello(self) -> str:
        words = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 52428800"]
        if not self.encrypted and tls_context():
            words.append("STARTTLS")
        if self.may_log_in():
            words.append("AUTH PLAIN LOGIN")
        return "\n".join([f"250-{NAME}", *(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"])

    async def asked(self, question: str) -> str:
        await self.say(f"334 {base64.b64encode(question.encode()).decode()}")
        return base64.b64decode(await self.line()).decode()

    async def log_in(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        try:
            if mechanism.upper() == "LOGIN":
                given = f"{await self.asked('Username:')}:{await self.asked('Password:')}"
            else:
                response = base64.b64decode(initial).decode() if initial else await self.asked("")
                given = ":".join(response.split("\0")[-2:])
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        if given == LOGIN:
            self.user = LOGIN.partition(":")[0]
            await self.say("235 2.7.0 Welcome")
        else:
            await self.say("535 5.7.8 Username and password not accepted")

    async def take(self) -> None:
        await self.say("354 End data with <CR><LF>.<CR><LF>")
        content = bytearray()
        while (line := await self.reader.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise Hangup
            content += line.removeprefix(b".")
        reply = told(".")
        if reply is None:
            number = self.keep(bytes(content))
            reply = f"250 2.0.0 Ok: kept as {number}"
        self.reset()
        await self.say(reply)

    def keep(self, content: bytes) -> int:
        number = next(numbers)
        envelope = {
            "sender": self.sender,
            "recipients": self.recipients,
            "parameters": self.parameters,
            "user": self.user,
            "encrypted": self.encrypted,
            "helo": self.helo,
            "peer": self.writer.get_extra_info("peername")[0],
            "port": self.writer.get_extra_info("sockname")[1],
            "at": time.time(),
        }
        (MAILS / f"{number:06}.eml").write_bytes(content)
        draft = MAILS / f"{number:06}.draft"
        draft.write_text(json.dumps(envelope))
        draft.rename(draft.with_suffix(".json"))
        return number


async def serve(port: int, *, implicit_tls: bool = False, private: bool = False) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer, encrypted=implicit_tls, private=private)
        with contextlib.suppress(Hangup, ConnectionError, ssl.SSLError):
            await session.converse()
        writer.close()

    context = tls_context() if implicit_tls else None
    if implicit_tls and context is None:
        return
    server = await asyncio.start_server(meet, "0.0.0.0", port, ssl=context, limit=1 << 20)
    await server.serve_forever()


async def main() -> None:
    await asyncio.gather(serve(25), serve(587, private=True), serve(465, implicit_tls=True, private=True))


asyncio.run(main())
