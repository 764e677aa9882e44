#!/usr/bin/env python3
"""Runs relays side by side and prints one table. See README.md."""

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELAYS = HERE / "relays"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

# The engine as it is run in earnest: policy, limits and metrics on, a line of log for each session.
LIMITS = ("--max-sessions 1000 --max-sessions-per-address 1000 --max-duration 3600 --max-idle 600 "
          "--max-tokens 1000000000 --log json")

# name: (path of its WebSocket, command). {node} and {py} are the interpreters
# with the peers' packages; a relay gets PORT, UPSTREAM_URL, OPENAI_API_KEY.
PEERS = {
    "engine": ("/v1/realtime", "exec {engine} serve --transport ws --port {port} --upstream {upstream} " + LIMITS),
    "engine-recording": (
        "/v1/realtime",
        "exec {engine} serve --transport ws --port {port} --upstream {upstream} --record {deps}/recordings " + LIMITS,
    ),
    "node-ws": ("/ws", "WS_NO_BUFFER_UTIL=1 exec {node} {deps}/node/node_ws.mjs"),
    "node-ws-native": ("/ws", "exec {node} {deps}/node/node_ws.mjs"),
    "node-ws-fast": ("/ws", "exec {node} {deps}/node/node_ws_fast.mjs"),
    "node-ws-json": ("/ws", "WS_NO_BUFFER_UTIL=1 exec {node} {deps}/node/node_ws_json.mjs"),
    "node-crossws": ("/ws", "WS_NO_BUFFER_UTIL=1 exec {node} {deps}/node/node_crossws.mjs"),
    "trio-websocket": ("/ws", "exec {py} {relays}/trio_websocket_relay.py"),
    "websockets-trio": ("/ws", "exec {py} {relays}/trio_websockets.py"),
    "hypercorn-trio": ("/ws", "exec {py} {relays}/hypercorn_trio.py"),
    "websockets": ("/ws", "exec {py} {relays}/asyncio_websockets.py"),
    "websockets-uvloop": ("/ws", "LOOP=uvloop exec {py} {relays}/asyncio_websockets.py"),
    "uvicorn-starlette": ("/ws", "exec {py} {relays}/uvicorn_starlette.py"),
    "picows": ("/ws", "exec {py} {relays}/asyncio_picows.py"),
    "picows-uvloop": ("/ws", "LOOP=uvloop exec {py} {relays}/asyncio_picows.py"),
    "sketch-tasks": ("/ws", "MOVE=tasks exec {py} {relays}/sketch.py"),
    "sketch-tasks-new": ("/ws", "MOVE=tasks FRAMES=new exec {py} {relays}/sketch.py"),
    "sketch-epoll": ("/ws", "MOVE=epoll exec {py} {relays}/sketch.py"),
    "sketch-epoll-new": ("/ws", "MOVE=epoll FRAMES=new exec {py} {relays}/sketch.py"),
    "sketch-epoll-json": ("/ws", "MOVE=epoll FRAMES=json exec {py} {relays}/sketch.py"),
    "sketch-thread": ("/ws", "MOVE=thread exec {py} {relays}/sketch.py"),
    "sketch-thread-new": ("/ws", "MOVE=thread FRAMES=new exec {py} {relays}/sketch.py"),
    "floor": ("/ws", "exec {deps}/floor"),
}
PY_PACKAGES = ["trio", "trio-websocket", "hypercorn", "starlette", "uvicorn", "httptools",
               "websockets", "picows", "uvloop", "msgspec"]
PARTS = ("few", "many", "steady", "full")
NODE_PACKAGES = ["ws@8", "bufferutil@4", "crossws"]


def deps_dir():
    folder = os.environ.get("BENCH_DEPS")
    if not folder:
        sys.exit("set BENCH_DEPS to a folder outside the repository")
    path = Path(folder).resolve()
    if HERE == path or HERE in path.parents:
        sys.exit("BENCH_DEPS must lie outside the bench folder")
    path.mkdir(parents=True, exist_ok=True)
    return path


def install(deps, commands):
    """Builds the load generator and installs what the chosen relays need."""
    for name, libraries in (("loadgen", ["-lssl", "-lcrypto"]), ("floor", [])):
        binary, source = deps / name, HERE / f"{name}.c"
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O3", "-o", binary, source, *libraries], check=True)
    text = " ".join(commands)
    if "{py}" in text and not (deps / "venv" / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", deps / "venv"], check=True)
        subprocess.run([deps / "venv/bin/python", "-m", "pip", "install", "-q", *PY_PACKAGES], check=True)
        (deps / "venv" / "ready").touch()
    if "{node}" in text:
        node = deps / "node"
        if not (node / "node_modules").exists():
            node.mkdir(exist_ok=True)
            (node / "package.json").write_text('{"private":true}')
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
                            *NODE_PACKAGES], cwd=node, check=True)
        for script in RELAYS.glob("*.mjs"):     # beside node_modules, where Node resolves them
            shutil.copy(script, node)
    cert = deps / "cert.pem"
    if not cert.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "3650", "-subj", "/CN=bench", "-addext",
                        "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", deps / "key.pem", "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Relay:
    """A relay process tree, pinned to one core, with its costs."""

    def __init__(self, spec, args, deps, upstream_port):
        self.name, url, command = spec
        self.port = free_port()
        scheme = "wss" if args.tls else "ws"
        fill = {
            "port": self.port, "deps": deps, "relays": RELAYS, "py": deps / "venv/bin/python",
            "node": shutil.which("node"), "engine": Path(sys.executable).with_name("engine"),
            "upstream": f"{scheme}://127.0.0.1:{upstream_port}/v1/realtime?model=gpt-realtime",
        }

        def filled(text):
            for key, value in fill.items():
                text = text.replace("{" + key + "}", str(value))
            return text

        self.url = filled(url)
        environment = dict(
            os.environ, HOST="127.0.0.1", PORT=str(self.port), UPSTREAM_URL=fill["upstream"],
            OPENAI_API_KEY="sk-bench", SSL_CERT_FILE=str(deps / "cert.pem"),
            NODE_EXTRA_CA_CERTS=str(deps / "cert.pem"), NODE_ENV="production",
        )
        self.log = open(deps / f"{self.name}.log", "w")
        self.recordings = deps / "recordings"   # of the relays that make some; gone with the relay
        began = time.monotonic()
        self.process = subprocess.Popen(
            ["sh", "-c", filled(command)], env=environment, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {args.relay_core}))
        while True:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            if self.process.poll() is not None or time.monotonic() - began > 30:
                self.stop()
                raise RuntimeError(f"{self.name} did not start, see {self.log.name}")
            time.sleep(0.002)
        self.start_ms = (time.monotonic() - began) * 1000
        self.start_cpu_ms = self.cpu()[0] * 1000

    def pids(self):
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == self.process.pid:
                    yield int(entry), fields

    def cpu(self):
        """Seconds so far: CPU, of it user and system, and waiting for the core."""
        total = user = system = waited = 0.0
        for pid, fields in self.pids():
            user += int(fields[11]) / TICK
            system += int(fields[12]) / TICK
            try:                                # nanoseconds, where the kernel keeps them
                for task in os.listdir(f"/proc/{pid}/task"):
                    ran, queued, _ = Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()
                    total += int(ran) / 1e9
                    waited += int(queued) / 1e9
            except (OSError, ValueError):
                pass
        return total or user + system, user, system, waited

    def rss(self):
        return sum(int(fields[21]) * PAGE for _, fields in self.pids())

    def stop(self):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(3)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.log.close()
        shutil.rmtree(self.recordings, ignore_errors=True)


class Direct:
    """No relay: the load generator against its own upstream, the floor."""

    name, start_ms, start_cpu_ms = "direct", 0.0, 0.0
    url = "ws://127.0.0.1:1/"

    def cpu(self):
        return 0.0, 0.0, 0.0, 0.0

    def rss(self):
        return 0

    def stop(self):
        pass


def load(relay, args, deps, upstream_port, mode, sessions, seconds, *more):
    command = [deps / "loadgen", "--relay", relay.url, "--upstream-port", upstream_port, "--mode", mode,
               "--sessions", sessions, "--seconds", seconds, "--warmup", args.warmup, *more]
    if args.tls:
        command += ["--tls-cert", deps / "cert.pem", "--tls-key", deps / "key.pem"]
    if isinstance(relay, Direct):
        command.append("--direct")
    for header in args.header:
        command += ["--header", header]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, {args.load_core}))
    marks, result = {}, None
    for line in process.stdout:
        line = line.strip()
        if line in ("BEGIN", "END"):
            marks[line] = (relay.cpu(), relay.rss())
        elif line.startswith("{"):
            result = json.loads(line)
    if process.wait() or result is None:
        raise RuntimeError(f"load generator failed against {relay.name} ({mode})")
    (before, _), (after, rss) = marks["BEGIN"], marks["END"]
    messages = result["messages"] or 1
    result["cpu_us"] = (after[0] - before[0]) / messages * 1e6
    result["system_share"] = (after[2] - before[2]) / max(after[1] + after[2] - before[1] - before[2], 1e-9)
    result["waited_share"] = (after[3] - before[3]) / result["seconds"]
    result["rss"] = rss
    result["faults"] = [key for key in ("corrupt", "order_errors", "missing", "lost_connections", "upstreams_left_open")
                        if result[key]]
    return result


def start(spec, args, deps, upstream_port):
    if spec[0] == "direct":
        return Direct()
    try:
        return Relay(spec, args, deps, upstream_port)
    except RuntimeError:                        # its port may have been taken meanwhile
        return Relay(spec, args, deps, upstream_port)


def one(spec, args, deps):
    """One round of one relay: its parts in a fresh process, and the figures of the table."""
    upstream_port = free_port()
    relay = start(spec, args, deps, upstream_port)
    lengths = {
        "few": ("realtime", args.few, args.memory_seconds), "many": ("realtime", args.many, args.memory_seconds),
        "steady": ("realtime", args.sessions, args.seconds), "full": ("saturate", args.busy, args.full_seconds),
    }
    parts = {}
    try:
        if "many" not in args.parts:            # or its first figures are of a cold JIT
            load(relay, args, deps, upstream_port, "saturate", args.busy, 1)
        for name in PARTS:
            if name in args.parts:
                parts[name] = load(relay, args, deps, upstream_port, *lengths[name])
                time.sleep(0.2)
    finally:
        relay.stop()
    got = {"relay": spec[0], "start_cpu_ms": relay.start_cpu_ms, "start_ms": relay.start_ms, "parts": parts}
    if "steady" in parts:
        steady = parts["steady"]
        got |= {"cpu_us": steady["cpu_us"], "p50_us": steady["latency_us"]["p50"],
                "p99_us": steady["latency_us"]["p99"], "setup_us": steady["setup_us"]["p50"]}
    if "full" in parts:
        full = parts["full"]
        got |= {"cpu_us_full": full["cpu_us"], "max_per_second": full["per_second"]}
    if "many" in parts:
        got["cpu_us_many"] = parts["many"]["cpu_us"]
        if "few" in parts:
            got["rss_few"] = parts["few"]["rss"]
            got["rss_session"] = (parts["many"]["rss"] - parts["few"]["rss"]) / (args.many - args.few)
    got["exact"] = min(part["exact"] / max(part["exact"] + part["modified"] + part["corrupt"], 1)
                       for part in parts.values())
    got["faults"] = sorted(f"{fault}@{name}" for name, part in parts.items() for fault in part["faults"])
    return got


def progress(number, got):
    """One line on a run; how far the machine was in the way of it, too."""
    line = [f"round {number + 1} {got['relay']}:"]
    for name, part in got["parts"].items():
        line.append(f"{name} {part['cpu_us']:.1f} µs/msg (p99 {part['latency_us']['p99']:.0f} µs, "
                    f"{part['per_second']:.0f} msg/s, waited {part['waited_share']:.0%}, "
                    f"load {part['loadgen_cpu'] / part['seconds']:.0%})")
    print(" ".join(line), file=sys.stderr, flush=True)


COLUMNS = [
    ("CPU µs/msg", "cpu_us", 1, 1), ("@many", "cpu_us_many", 1, 1), ("@full", "cpu_us_full", 1, 1),
    ("max msg/s", "max_per_second", 1, 0), ("p50 µs", "p50_us", 1, 0), ("p99 µs", "p99_us", 1, 0),
    ("RSS MB @few", "rss_few", 1e-6, 1), ("kB/session", "rss_session", 1e-3, 0),
    ("setup µs", "setup_us", 1, 0), ("start CPU ms", "start_cpu_ms", 1, 0),
]


def table(results, base):
    """Medians over the rounds; ratios are medians of each round's own ratio."""
    runs = {}
    for result in results:
        runs.setdefault(result["relay"], {})[result["round"]] = result
    lines = ["| relay | " + " | ".join(column[0] for column in COLUMNS) + " | exact | faults |",
             "|---" * (len(COLUMNS) + 3) + "|"]
    for name, rounds in runs.items():
        cells = [name]
        for _, key, scale, digits in COLUMNS:
            values = [run[key] for run in rounds.values() if key in run]
            cell = f"{statistics.median(values) * scale:.{digits}f}" if values else "–"
            ratios = [run[key] / runs[base][number][key] for number, run in rounds.items()
                      if key in run and name not in (base, "direct") and runs.get(base, {}).get(number, {}).get(key)]
            if ratios:
                cell += f" ({statistics.median(ratios):.2f}×)"
            cells.append(cell)
        faults = sorted({fault for run in rounds.values() for fault in run["faults"]})
        cells += [f"{min(run['exact'] for run in rounds.values()):.0%}", ", ".join(faults) or "none"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"peers: {', '.join(PEERS)}, or 'all', or 'direct' (no relay)")
    parser.add_argument("--relay", nargs=3, action="append", default=[], metavar=("NAME", "URL", "COMMAND"),
                        help="any other relay; {port} and {upstream} are filled in")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", type=lambda text: text.split(","), default=PARTS,
                        help="only these of few,many,steady,full")
    parser.add_argument("--sessions", type=int, default=50, help="sessions of the latency and CPU run")
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--many", type=int, default=200)
    parser.add_argument("--busy", type=int, default=32, help="sessions of the run at full speed")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--full-seconds", type=float, default=4)
    parser.add_argument("--memory-seconds", type=float, default=4)
    parser.add_argument("--warmup", type=float, default=1.5)
    parser.add_argument("--tls", action="store_true", help="TLS between the relay and the upstream, as in production")
    parser.add_argument("--header", action="append", default=[], help="header of the client's handshake")
    parser.add_argument("--base", default="node-ws", help="relay the ratios are against")
    parser.add_argument("--relay-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--save", type=Path, help="append each run's figures to this file (JSON lines)")
    args = parser.parse_args()

    deps = deps_dir()
    specs = []
    for name in list(PEERS) if args.names == ["all"] else args.names:
        if name == "direct":
            specs.append((name, "", ""))
        elif name in PEERS:
            specs.append((name, "ws://127.0.0.1:{port}" + PEERS[name][0], PEERS[name][1]))
        else:
            parser.error(f"no peer named {shlex.quote(name)}")
    if not set(args.parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    specs += [tuple(relay) for relay in args.relay]
    if not specs:
        parser.error("name a relay")
    install(deps, [spec[2] for spec in specs])

    results = []
    for number in range(args.rounds):
        for spec in specs if number % 2 == 0 else specs[::-1]:
            try:
                result = one(spec, args, deps)
            except RuntimeError as error:
                print(f"round {number + 1}: {error}", file=sys.stderr, flush=True)
                continue
            result["round"] = number
            results.append(result)
            progress(number, result)
            if args.save:
                with args.save.open("a") as out:
                    out.write(json.dumps({"tls": args.tls, **result}) + "\n")
    print(f"\n{args.sessions} sessions real-time (few {args.few}, many {args.many}, full speed {args.busy}), "
          f"upstream {'wss' if args.tls else 'ws'}, median of {args.rounds} rounds; ratios to {args.base}\n")
    order = {spec[0]: at for at, spec in enumerate(specs)}
    print(table(sorted(results, key=lambda result: order[result["relay"]]), args.base))
    return 1 if any(result["faults"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
