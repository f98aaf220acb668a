"""Runs a command under a kernel that has VRF: this one, or one in a small virtual machine.

Many machines, containers and cloud images run kernels without `vrf.ko`. There, virtme-ng boots a
distribution kernel over this machine's own file system, read-only, so that the command finds the
same Python, the same checkout and the same tools; what it writes is gone afterwards. Works with the
system's Python alone, before anything is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
MINIMUM_KERNEL = (6, 1)  # reverse-path lookups in VRFs are wrong in older ones
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "atoll", "kernel")
CHECKOUT = Path(__file__).resolve().parent.parent
KEPT_ENVIRONMENT = (
    *("CI", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTEST_ADDOPTS", "TERM"),
    *("ATOLL_HEADQUARTERS", "ATOLL_PLAIN_CLUSTER"),  # control planes beside the command
    *("ATOLL_CNI", "ATOLL_KUBELET"),  # what tools/cni_plugin.sh and tools/kubelet.sh built
)
MODULES = "vrf vxlan veth bridge dummy nf_tables nft_chain_nat nft_fib_inet nft_ct nft_reject_inet nft_masq"
GUEST = "10.0.2.15/24"
HOST_LOOPBACK = "10.0.2.2"  # QEMU's user network leads from there to 127.0.0.1 of this machine
NOT_AVAILABLE = 69
STOPPED_EARLY = 70
TIMED_OUT = 124  # as coreutils' timeout


def kernel_version(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release))


def has_vrf() -> bool:
    """Whether a VRF can be made here, tried in a network namespace that is gone at once; needs root."""
    if kernel_version(os.uname().release)[:2] < MINIMUM_KERNEL or shutil.which("ip") is None:
        return False
    child = os.fork()
    if child == 0:
        alone = ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0
        command = ["ip", "link", "add", "probe", "type", "vrf", "table", "7"]
        made = alone and subprocess.run(command, capture_output=True, check=False).returncode == 0
        os._exit(0 if made else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def bootable_kernel() -> Path | None:
    """The newest kernel whose modules have VRF and 9p (cloud flavours lack the latter).

    Installed ones come first; tools/setup.sh unpacks one into the cache where none is.
    """
    for root in (Path("/"), *CACHE.glob("[0-9]*")):
        candidates = [image for image in root.glob("boot/vmlinuz-*") if is_bootable(root, image)]
        if candidates:
            return max(candidates, key=lambda image: kernel_version(image.name))
    return None


def is_bootable(root: Path, image: Path) -> bool:
    release = image.name.removeprefix("vmlinuz-")
    modules = root / "lib/modules" / release / "kernel"
    return (
        kernel_version(release)[:2] >= MINIMUM_KERNEL
        and os.access(image, os.R_OK)
        and all(list(modules.glob(pattern)) for pattern in ("drivers/net/vrf.ko*", "fs/9p/9p.ko*"))
    )


def sudo_has_vrf() -> bool:
    check = ["sudo", sys.executable, str(Path(__file__).resolve()), "--check"]
    return shutil.which("sudo") is not None and subprocess.run(check, check=False).returncode == 0


def kept_environment() -> list[str]:
    """What the command is to know of here; in the guest, its output is no terminal."""
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    if sys.stdout.isatty():
        kept.setdefault("COLUMNS", str(shutil.get_terminal_size().columns))
        if "NO_COLOR" not in kept and kept.get("TERM", "dumb") != "dumb":
            kept.setdefault("FORCE_COLOR", "1")
    return [f"{name}={value}" for name, value in kept.items()]


def cached_folders() -> list[Path]:
    """What the guest reads through a caching mount; virtme's own root asks the host at every read."""
    system = [Path("/usr/bin"), Path("/usr/sbin"), *Path("/usr/lib").glob("*-linux-gnu")]
    optional = [path for path in (CACHE.parent, Path("/usr/lib/cni")) if path.is_dir()]
    wanted = [*system, CHECKOUT, Path(sys.prefix), Path(sysconfig.get_path("stdlib")), *optional]
    folders: list[Path] = []
    for folder in (path.resolve() for path in wanted):
        if not any(folder.is_relative_to(known) for known in folders):
            folders.append(folder)
    return folders


def host_lines() -> list[str]:
    """Of the guest's script: the way to this machine's loopback; without a default route, to nobody else."""
    return [
        "modprobe virtio_net",
        # udev renames it meanwhile, so its name is asked for until it is up.
        "for _ in 1 2 3 4 5; do link=$(ls /sys/bus/virtio/drivers/virtio_net/*/net)",
        f"ip address replace {GUEST} dev $link && ip link set $link up && break; sleep 1; done",
        f"export ATOLL_HOST={HOST_LOOPBACK}",
    ]


def guest_script(command: list[str], shared: Path, *, reach_host: bool) -> str:
    binds = [
        f"mount --bind {shlex.quote(f'/run/cached{folder}')} {shlex.quote(str(folder))}"
        for folder in cached_folders()
    ]
    return "\n".join(
        [
            "exec 2>&1",
            f"export PATH={shlex.quote(os.environ['PATH'])}:/usr/sbin:/sbin HOME=/run ATOLL_VM=1",
            "export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 " + shlex.join(kept_environment()),
            "mkdir -p /run/cached /run/netns",
            "mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 cached /run/cached",
            *binds,
            f"modprobe -a {MODULES}",
            "ip link set lo up",
            *(host_lines() if reach_host else ()),
            f"cd {shlex.quote(os.getcwd())}",
            shlex.join(command),
            f"echo $? > {shlex.quote(str(shared / 'status'))}",
            "",
        ]
    )


def guest_command(kernel: Path, shared: Path, *, kvm: bool, reach_host: bool) -> list[str]:
    acceleration = [] if kvm else ["--disable-kvm"]
    cpu = [] if kvm else ["-cpu max"]
    export = "-fsdev local,id=cached,path=/,security_model=none,readonly=on,multidevs=remap"
    device = "-device virtio-9p-pci,fsdev=cached,mount_tag=cached"
    network = ["-netdev user,id=host", "-device virtio-net-pci,netdev=host"] if reach_host else []
    return [
        *("vng", *acceleration, "--run", str(kernel), "--user", "root", "--force-9p"),
        *("--cpus", "2", "--memory", "2G", "--rwdir", str(shared)),
        "--qemu-opts=" + " ".join([*cpu, export, device, *network]),
        *("--", f"sh {shlex.quote(str(shared / 'run'))}"),
    ]


def forward(stream: object) -> None:
    """Copies the guest's output as it comes. A pipe, because QEMU reopens and truncates plain files."""
    while chunk := os.read(stream.fileno(), 65536):  # type: ignore[attr-defined]
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def run_in_machine(command: list[str], *, timeout: float, kvm: bool, reach_host: bool) -> int:
    missing = [name for name in ("qemu-system-x86_64", "vng") if shutil.which(name) is None]
    kernel = bootable_kernel()
    if missing or kernel is None:
        lacks = " and ".join([*missing, *([] if kernel else ["a bootable kernel with VRF and 9p in /boot"])])
        print(f"vm: this kernel ({os.uname().release}) has no VRF, and {lacks} is missing: run `make setup`")
        return NOT_AVAILABLE
    print(
        f"vm: this kernel has no VRF; booting {kernel.name.removeprefix('vmlinuz-')} (about 20 s)", flush=True
    )
    # The guest cannot write bytecode, and compiling in emulation takes its time at every import.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-x", r"/\.", str(CHECKOUT)], check=False)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="atoll-vm-") as folder:
        shared = Path(folder)
        (shared / "run").write_text(guest_script(command, shared, reach_host=reach_host))
        machine = subprocess.Popen(
            guest_command(kernel, shared, kvm=kvm, reach_host=reach_host),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = await_machine(machine, timeout=timeout)
        if status is None:
            print(f"vm: stopped after {timeout:.0f} s, the limit; raise it with --timeout")
            return TIMED_OUT
        if not (shared / "status").exists():
            print("vm: the machine stopped before the command ended")
            return STOPPED_EARLY
        result = int((shared / "status").read_text())
    if result != 0:  # else the command's own last line is the last
        print(f"vm: ended with status {result} after {time.monotonic() - started:.0f} s")
    return result


def await_machine(machine: subprocess.Popen[bytes], *, timeout: float) -> int | None:
    """The status of the virtual machine's process; None when it was stopped at the time-out."""
    reader = threading.Thread(target=forward, args=(machine.stdout,), daemon=True)
    reader.start()
    try:
        return machine.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if machine.poll() is None:
            os.killpg(machine.pid, signal.SIGKILL)
            machine.wait()
        reader.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="only tell, by status, whether this kernel has VRF"
    )
    parser.add_argument(
        "--check-boot", action="store_true", help="only tell whether /boot has a usable kernel"
    )
    parser.add_argument("--timeout", type=float, default=2400, help="seconds until the machine is stopped")
    # Not by default: a /dev/kvm that is itself virtual often hangs or aborts, and only shows it late.
    parser.add_argument("--kvm", action="store_true", help="use hardware virtualization")
    parser.add_argument(
        "--reach-host",
        action="store_true",
        help="let the command reach 127.0.0.1 of here, as $ATOLL_HOST where that is another machine's",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if arguments.check:
        return 0 if has_vrf() else 1
    if arguments.check_boot:
        return 0 if bootable_kernel() else 1
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if os.geteuid() == 0 and has_vrf():
        os.execvp(command[0], command)
    if os.geteuid() != 0 and sudo_has_vrf():
        os.execvp("sudo", ["sudo", "env", f"PATH={os.environ['PATH']}", *kept_environment(), *command])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the machine ends with us
    return run_in_machine(
        command, timeout=arguments.timeout, kvm=arguments.kvm, reach_host=arguments.reach_host
    )


if __name__ == "__main__":
    sys.exit(main())
