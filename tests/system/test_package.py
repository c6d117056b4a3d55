"""What a host gets: manuals that say what the programs take, units that are shut in, completion, places of files."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from stack import BUILD, TOP

EXPOSED_MOST = 2.0


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def settings():
    """Name: default, of settings.def."""
    source = re.sub(r"/\*.*?\*/", "", read("fcgi", "settings.def"), flags=re.DOTALL)
    rows = re.findall(r'"(BAZAR_\w+)",\s*(?:\d+,\s*"([^"]*)"|(\d+)),', source)
    return {name: text or number for name, text, number in rows}


def options(*patterns):
    """Names in the getopt tables of these sources."""
    found = set()
    for pattern in patterns:
        for path in glob.glob(os.path.join(TOP, pattern)):
            found |= set(re.findall(r'\{"([a-z-]+)", (?:no|required)_argument', read(path)))
    return found


def plain(line):
    """A line of a manual without the marks of troff."""
    return re.sub(r'^\.\w+ ?|"|\\f[A-Z]', "", line).replace("\\-", "-").strip()


def manual(name):
    return "\n".join(map(plain, read("vagrant", "man", name).splitlines()))


def entries(name, section):
    """What a section of a manual lists: the line that names a thing, and the text about it."""
    body = re.split(r"^\.SH ", read("vagrant", "man", name), flags=re.MULTILINE)
    body = next(part for part in body if part.startswith(section + "\n"))
    found = []
    for item in body.split("\n.TP\n")[1:]:
        title, _, text = item.partition("\n")
        found.append((plain(title), "\n".join(map(plain, text.splitlines()))))
    return found


def words(program, *args):
    """What a program says of its usage."""
    done = subprocess.run([os.path.join(BUILD, program), *args], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


class Manuals(unittest.TestCase):
    def test_every_setting_with_its_default(self):
        told = {name: "".join(re.findall(r"^Default: (.*)$", text, re.MULTILINE))
                for name, text in entries("bazar.conf.5", "SETTINGS")}
        self.assertEqual(told, settings())

    def test_the_sample_of_settings_has_them_all(self):
        told = dict(re.findall(r"^#(BAZAR_\w+)=(.*)$", read("vagrant", "bazar.conf"), re.MULTILINE))
        self.assertEqual(told, settings())

    def test_every_option_of_bazarctl(self):
        text = manual("bazarctl.1")
        self.assertEqual(set(re.findall(r"--([a-z-]+)", text)), options("replica/ctl/*.c"))
        self.assertEqual(options("replica/ctl/*.c"), set(re.findall(r"--([a-z-]+)", words("bazarctl", "help"))) | {"help"})

    def test_every_command_of_bazarctl(self):
        told = set(re.findall(r"^  ([a-z-]+)", words("bazarctl", "help"), re.MULTILINE))
        self.assertEqual({title.split()[0] for title, _ in entries("bazarctl.1", "COMMANDS")}, told)

    def test_every_command_and_option_of_bazar_run(self):
        told = set(re.findall(r"^  ([a-z]+) ", words("bazar-run"), re.MULTILINE))
        self.assertEqual({title.split()[0] for title, _ in entries("bazar-run.8", "COMMANDS")}, told)
        listed = {title.split()[0] for title, _ in entries("bazar-run.8", "OPTIONS")}
        self.assertEqual(listed, {f"--{option}" for option in options("fcgi/run/main.c")})

    def test_the_options_of_workers(self):
        for name in ("catalog", "order"):
            text = manual(f"bazar-{name}.8")
            self.assertEqual(set(re.findall(r"--([a-z]+)", text)), {"run", "name"})
            self.assertEqual(set(re.findall(r"--([a-z]+)", words(f"bazar-{name}"))), {"run", "name"})


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="bazar-root-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
        subprocess.run(["make", "-s", "-C", TOP, f"BUILD={os.path.relpath(BUILD, TOP)}", f"DESTDIR={cls.root}", "prefix=/usr",
                        "install"], check=True, env=env)

    def place(self, *parts):
        return os.path.join(self.root, *parts)

    def test_programs_find_each_other_and_the_rest(self):
        done = subprocess.run([self.place("usr/sbin/bazar-run"), "--run", self.place("run"), "down"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("(DIR: /var/lib/bazar)", subprocess.run([self.place("usr/bin/bazarctl"), "help"], text=True,
                                                              capture_output=True, check=True).stdout)

    def test_units_name_what_is_installed(self):
        units = glob.glob(self.place("usr/lib/systemd/system/bazar*"))
        self.assertEqual(len(units), 6)
        for unit in units:
            with open(unit, encoding="utf-8") as file:
                text = file.read()
            for path in re.findall(r"^Exec\w+=(/usr/libexec\S+)", text, re.MULTILINE):
                self.assertTrue(os.access(self.root + path, os.X_OK), path)

    def test_units_are_sound_and_shut_in(self):
        for unit in glob.glob(self.place("usr/lib/systemd/system/bazar*.service")):
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                                  capture_output=True, text=True, check=True)
            exposed = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout).group(1))
            self.assertLessEqual(exposed, EXPOSED_MOST, unit)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={self.root}",
                               "bazar@catalog-1.service", "bazar-front.service", "bazar-setup.service"],
                              capture_output=True, text=True, check=False)
        ours = [line for line in done.stderr.splitlines() if "bazar" in line and "not executable" not in line
                and "Failed to load" not in line and "not found" not in line]
        self.assertEqual(ours, [])

    def test_uninstall_leaves_settings_only(self):
        other = tempfile.mkdtemp(prefix="bazar-root-")
        self.addCleanup(shutil.rmtree, other)
        env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
        for goal in ("install", "uninstall"):
            subprocess.run(["make", "-s", "-C", TOP, f"BUILD={os.path.relpath(BUILD, TOP)}", f"DESTDIR={other}", goal],
                           check=True, env=env)
        left = [os.path.relpath(os.path.join(at, name), other) for at, _, names in os.walk(other) for name in names]
        self.assertEqual(left, ["etc/bazar/bazar.conf"])


class Completion(unittest.TestCase):
    def complete(self, *line):
        """What bash offers for the last word of a line."""
        script = (f'. "{TOP}/vagrant/completion.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bazarctl; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "bash", os.path.join(BUILD, "bazarctl"), *line],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_commands_options_and_names(self):
        told = set(re.findall(r"^  ([a-z-]+)", words("bazarctl", "help"), re.MULTILINE))
        self.assertEqual(self.complete(""), told | {"--run", "--help"})
        self.assertEqual(self.complete("swi"), {"switchover"})
        self.assertEqual(self.complete("status", "--"), {"--json"})
        with tempfile.TemporaryDirectory() as run:
            with open(os.path.join(run, "nodes"), "w", encoding="ascii") as file:
                file.write("# name service id role address\ncatalog-1 catalog 1 primary 127.0.0.1:9080\n")
            self.assertEqual(self.complete("--run", run, "promote", "cat"), {"catalog-1"})
            self.assertEqual(self.complete("--run", run, "switchover", "c"), {"catalog", "catalog-1"})
