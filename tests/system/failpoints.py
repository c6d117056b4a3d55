"""A shop whose programs have failpoints (fcgi/base/failpoint.h): places where a test kills a process."""

import os
import shutil
import tempfile
import unittest

import stack
from stack import Stack

PROGRAMS = ("bazar-run", "bazar-init", "bazarctl", "bazar-catalog", "bazar-order")


def make_build(with_points):
    """The programs, this one with failpoints, in a directory of their own."""
    folder = tempfile.mkdtemp(prefix="bazar-failpoints-")
    for program in PROGRAMS:
        shutil.copy(os.path.join(stack.BUILD, "failpoints" * (program == with_points), program), folder)
    os.symlink(os.path.realpath(os.path.join(stack.BUILD, "share")), os.path.join(folder, "share"))
    return folder


class FailpointCase(unittest.TestCase):
    with_points = None  # the program

    @classmethod
    def setUpClass(cls):
        cls.build, cls.folder = stack.BUILD, make_build(cls.with_points)
        stack.BUILD = cls.folder
        cls.point = os.path.join(cls.folder, "point")

    @classmethod
    def tearDownClass(cls):
        stack.BUILD = cls.build
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.shop = Stack(BAZAR_FAILPOINT=self.point)  # a supervisor that has not seen a worker die yet
        self.addCleanup(self.shop.destroy)

    def arm(self, place):
        """Whoever comes there first dies; then self.point is gone."""
        with open(self.point + ".new", "w", encoding="ascii") as file:
            file.write(place)
        os.rename(self.point + ".new", self.point)
