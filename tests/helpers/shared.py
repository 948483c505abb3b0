"""Material beside the project, for tests that skip without it."""

from zsvideo.resources import ROOT

SHARED = ROOT.parent / "shared"
