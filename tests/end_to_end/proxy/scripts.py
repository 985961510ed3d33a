"""Small programs of agents, each run in a process of its own: they post their input to a URL, and print the answer.

They read proxy and roots from the environment alone, as their libraries do; Node.js, which reads no proxy before 24,
is told by hand what its own agent does then.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

REQUESTS = """
import sys, requests
body = sys.stdin.buffer.read()
answer = requests.post(sys.argv[1], data=body, headers={"Content-Type": "application/json"})
print(answer.status_code, answer.text)
"""

HTTPX = """
import sys, httpx2
body = sys.stdin.buffer.read()
answer = httpx2.post(sys.argv[1], content=body, headers={"Content-Type": "application/json"})
print(answer.status_code, answer.text)
"""

HTTPX_ASYNC = """
import asyncio, sys, httpx2
body = sys.stdin.buffer.read()
async def main():
    async with httpx2.AsyncClient() as client:
        headers = {"Content-Type": "application/json"}
        async with client.stream("POST", sys.argv[1], content=body, headers=headers) as answer:
            print(answer.status_code, (await answer.aread()).decode())
asyncio.run(main())
"""

AIOHTTP = """
import asyncio, sys, aiohttp
body = sys.stdin.buffer.read()
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        headers = {"Content-Type": "application/json"}
        async with session.post(sys.argv[1], data=body, headers=headers) as answer:
            print(answer.status, await answer.text())
asyncio.run(main())
"""

URLLIB = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read(), {"Content-Type": "application/json"})
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""

NODE = """
const fs = require("node:fs"), http = require("node:http"), tls = require("node:tls");
const url = new URL(process.argv[1]), proxy = new URL(process.env.HTTPS_PROXY), body = fs.readFileSync(0);
const headers = { "Host": url.host, "Content-Type": "application/json", "Content-Length": body.length };
const options = { method: "POST", host: proxy.hostname, port: proxy.port, headers };
function answered(response) {
  response.setEncoding("utf8");
  let text = "";
  response.on("data", (piece) => { text += piece; });
  response.on("end", () => { process.stdout.write(`${response.statusCode} ${text}`, () => process.exit(0)); });
}
function ask(more) { http.request({ ...options, ...more }, answered).end(body); }
if (url.protocol === "http:") {
  ask({ path: url.href });
} else {
  const path = `${url.hostname}:${url.port || 443}`;
  // Without a Host field of ours, Node.js names the proxy in it.
  const connect = http.request({ method: "CONNECT", host: proxy.hostname, port: proxy.port, path });
  connect.on("connect", (response, socket) => {
    if (response.statusCode !== 200) throw new Error(`CONNECT: ${response.statusCode}`);
    const secured = tls.connect({ socket, servername: url.hostname, ALPNProtocols: ["h2", "http/1.1"] });
    ask({ path: url.pathname + url.search, createConnection: () => secured });
  }).end();
}
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and how it is started."""

    name: str
    start: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def _python(name: str, script: str) -> Program:
    return Program(name, (sys.executable, "-c", script))


ASK = (
    _python("requests", REQUESTS),
    _python("httpx", HTTPX),
    _python("httpx-async", HTTPX_ASYNC),
    _python("aiohttp", AIOHTTP),
    _python("urllib", URLLIB),
    Program("node", ("node", "-e", NODE)),
)
