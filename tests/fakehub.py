"""A Hugging Face Hub of one process: enough of its API to create repositories, commit to them, list and download."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Files = dict[str, bytes]


class FakeHub(ThreadingHTTPServer):
    """`repos` are the files of each repository, `created` the requests that made them, `fetched` what was sent out."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, Files] = {}
        self.created: list[dict[str, Any]] = []
        self.commits: list[dict[str, Any]] = []
        self.fetched: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()


def commit_of(files: Files) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for path in sorted(files):
        digest.update(path.encode() + files[path])
    return digest.hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *args: object) -> None: ...

    def answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self, code: str) -> None:
        self.answer({"error": code}, 404, {"X-Error-Code": code})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            self.server.created.append(asked)
            self.server.repos.setdefault(repo, {})
            self.answer({"url": f"{self.server.address}/{repo}"})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            files = [file["path"] for file in json.loads(body)["files"]]
            self.answer({"files": [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]})
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            lines = [json.loads(line) for line in body.splitlines()]
            files = self.server.repos[match[1]]
            self.server.commits += [line["value"] for line in lines if line["key"] == "header"]
            for line in lines:
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            oid = commit_of(files)
            self.answer({"commitUrl": f"{self.server.address}/{match[1]}/commit/{oid}", "commitOid": oid})
        else:
            self.missing("EntryNotFound")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        match = re.match(r"(?:/api/models)?/([^/]+/[^/]+)(?:/(revision|tree|resolve)/([^/]+)(?:/(.+))?)?$", path)
        files = self.server.repos.get(match[1]) if match else None
        if match is None or files is None:
            return self.missing("RepoNotFound")
        oid = commit_of(files)
        if match[3] not in (None, "main", oid):
            return self.missing("RevisionNotFound")
        if match[2] == "tree":
            return self.answer([{"type": "file", "path": f, "size": len(files[f]), "oid": f"{f}"} for f in files])
        if match[2] != "resolve":
            return self.answer({"id": match[1], "sha": oid, "siblings": [{"rfilename": file} for file in files]})
        if match[4] not in files:
            return self.missing("EntryNotFound")
        if self.command == "GET":
            self.server.fetched.append(match[4])
        content = files[match[4]]
        etag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self.answer(content, headers={"ETag": f'"{etag}"', "X-Repo-Commit": oid})

    do_HEAD = do_GET
