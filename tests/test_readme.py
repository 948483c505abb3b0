"""The documents: their commands are accepted and run, their links, paths and options exist."""

import importlib
import json
import re
import shlex
import shutil
from contextlib import suppress
from itertools import product

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from helpers.commands import fails, finished, run_module
from helpers.runs import finished_run, predictions
from helpers.videos import grey_video
from zsvideo.resources import CONF, EXPERIMENTS, ROOT
from zsvideo.usage import COMMANDS, GROUPS

FILES = [
    *(ROOT / f for f in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "experiments" / "README.md",
    ROOT / "benchmarks" / "README.md",
]
RECIPES = ROOT / "CONTRIBUTING.md"  # names files and options that its reader is to make
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)


def blocks(file, language):
    """List the code blocks of a language in a document, without their indentation."""
    found = BLOCK.findall(file.read_text())
    return [
        "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        for indent, kind, text in found
        if kind == language
    ]


def prose(file):
    return BLOCK.sub("", file.read_text())


def quotes(file):
    """List what stands between backticks, in prose."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(file))


def lines(file):
    """List the commands in the blocks of a document."""
    typed = [
        line.partition(" #")[0].rstrip()
        for block in blocks(file, "bash")
        for line in block.splitlines()
    ]
    return [line for line in typed if line and not line.startswith("#")]


def own(line):
    """Split a command of this project into its name and options; None for any other."""
    match = re.search(r"(?:-m src\.|^zsvideo )([a-z]+)\b ?(.*)$", line)
    return (match[1], shlex.split(match[2])) if match else None


IN_PROSE = [q for f in FILES if f != RECIPES for q in quotes(f) if "..." not in q and own(q)]
TYPED = list(dict.fromkeys([line for f in FILES for line in lines(f)] + IN_PROSE))
TYPED = [line for line in TYPED if not re.search(r"\b[A-Z]+/[A-Z]+\b|=NAME\b", line)]
OURS = [line for line in TYPED if own(line)]
ON_A_RUN = [line for line in OURS if re.search(r"runs/(demo|a)\b", line)]
PLAIN = ("predict", "export")  # commands without Hydra; tests/prediction runs them
GENERATED = [line for line in OURS if re.search(r"(scale|experiments)=demo\b", line)]


@pytest.mark.slow
@pytest.mark.parametrize("line", OURS)
def test_commands_compose(config, line):
    name, options = own(line)
    if name in PLAIN:
        parser = importlib.import_module(f"zsvideo.commands.{name}").parser()
        assert not options or parser.parse_args(options)
        return
    switches = ("-m", "--dry-run", "--help", "--force", "--cfg", "job")
    typed = [o for o in options if o not in switches and not o.startswith("hydra")]
    typed = [re.sub(r"=.*interval\((.*)", r"=\1", o) for o in typed]
    swept = [re.sub(r"range\(\d+\)", "0", o) for o in typed]
    single = [o if "[" in o else o.split(",")[0] for o in swept]  # the first of what is swept
    assert config(*single, cli=name)


def test_every_command_is_shown_and_other_commands_exist():
    assert {own(line)[0] for line in OURS} == set(COMMANDS)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    asked = {line.split()[1] for line in TYPED if line.startswith("make ")}
    asked |= {q.split()[1] for f in FILES for q in quotes(f) if q.startswith("make ")}
    assert {"demo", "test", "setup"} <= asked <= set(targets)
    others = {line.split()[0] for line in TYPED if not own(line)}
    assert others <= {"make", "pip", "pytest", "python", "source"}
    modules = {m for line in TYPED for m in re.findall(r"-m (zsvideo[\w.]+)", line)}
    assert modules == {"zsvideo.semantics.words", "zsvideo.parity"}


def test_the_readme_is_one_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert (ROOT / "docs" / "demo.png").stat().st_size < 150_000
    for file in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{file.name})" in text


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_links_and_paths_lead_somewhere(file):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(file)):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        goal = (file.parent / path).resolve() if path else file
        assert goal.exists(), link
        if heading:
            assert heading in map(anchor, re.findall(r"^#+ (.*)$", prose(goal), re.M)), link
    if file != RECIPES:
        for path in quotes(file):
            if re.fullmatch(r"(src|conf|experiments|docs|tests|benchmarks)/[\w/.]+", path):
                known = path in ("conf/evaluation/", "data/<name>") or (ROOT / path).exists()
                assert known, path


def test_the_table_of_groups_lists_every_option():
    text = (ROOT / "docs" / "configuration.md").read_text()
    text = re.split(r"^(?:## |<!-- )", text.partition("\n## Groups\n")[2], flags=re.M)[0]
    table = dict(re.findall(r"^\| `([\w/]+)` \| ([^|]*) \|", text, re.M))
    assert set(table) == set(GROUPS) - {"paths", "hydra/launcher"}
    for group, listed in table.items():
        folder = EXPERIMENTS if group == "experiments" else CONF / group
        options = {file.stem for file in folder.glob("*.yaml")}
        assert set(re.findall(r"`([^`]+)`", listed)) == options, group


OPTIONS = list(
    dict.fromkeys(
        quote
        for file in FILES
        if file not in (RECIPES, ROOT / "benchmarks" / "README.md")
        for quote in quotes(file)
        if re.match(r"[a-z][\w.@/]*=[^=]", quote) and "mine" not in quote
    )
)


def contexts(option):
    """List what has to be chosen, perhaps, before there is an option; the likely first."""
    group = option.split(".")[0]
    group = "source" if group == "seen" else group
    key = "source@seen" if option.startswith("seen.") else group
    files = [*(CONF / group).glob("*.yaml")] if "." in option else []
    words = re.findall(r"\w+", option.partition("=")[0])
    likely = {f.stem: f.stem in words or f"{words[-1]}:" in f.read_text() for f in files}
    lists = group in ("target", "evaluation")
    names = sorted(likely, key=lambda n: (not likely[n], n))
    return [*([f"{key}=[{n}]" if lists else f"{key}={n}"] for n in names), []]


def composes(config, name, options):
    with suppress(HydraException, OmegaConfBaseException, ValueError):
        return config(*options, cli=name)


def not_taken(config, name, quotes):
    """List those of some options that a command does not take: all at once, or each half."""
    if not quotes or composes(config, name, [o for options in quotes.values() for o in options]):
        return {}
    if len(quotes) == 1:
        return quotes
    keys = list(quotes)
    halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
    return {
        k: v
        for half in halves
        for k, v in not_taken(config, name, {key: quotes[key] for key in half}).items()
    }


def options_of(quote):
    options = [o for o in shlex.split(quote) if "=" in o and not o.startswith("hydra")]
    return [re.sub(r"=(\w+),.*", r"=\1", o) if "[" not in o else o for o in options]


@pytest.mark.slow
def test_options_in_prose_are_options(config):
    left = {quote: options_of(quote) for quote in OPTIONS}
    for name in COMMANDS:
        if name in PLAIN:
            continue
        known = config(cli=name)
        typed = {
            q: options
            for q, options in left.items()
            if all(OmegaConf.select(known, o.partition("=")[0]) is not None for o in options)
        }
        while typed:  # each key once
            keys, batch = set(), {}
            for quote, options in typed.items():
                own_keys = {o.partition("=")[0] for o in options}
                if not own_keys & keys:
                    keys |= own_keys
                    batch[quote] = options
            refused = not_taken(config, name, batch)
            for quote in batch:
                typed.pop(quote)
                if quote not in refused:
                    left.pop(quote)
    for quote, options in left.items():
        commands = [*COMMANDS] if "." not in quote else ["train"]
        assert any(
            composes(config, name, [*context, *options])
            for name, context in product(commands, contexts(quote))
        ), f"no command takes {quote}"


def offline(line):
    """Tell whether a command ends in seconds where there are no data and no network."""
    name, options = own(line)
    if name in PLAIN or line in (*ON_A_RUN, *GENERATED) or re.search("download(_only)?=true", line):
        return False
    if name == "audit":
        return line == "zsvideo audit protocol=605"
    sweep = "-m" in options and any(o.startswith("experiments=") for o in options)
    return not sweep or options == ["-m", "experiments=table3", "--dry-run"]


@pytest.mark.slow
@pytest.mark.parametrize("line", filter(offline, OURS))
def test_commands_run_without_data(cli, tmp_path, line):
    """What needs data ends in lines that say so; what needs none does its work."""
    name, options = own(line)
    options = [re.sub(r"=((data|prepared)/)", rf"={tmp_path}/\1", o) for o in options]
    folders = [f"hydra.run.dir={tmp_path}/run", f"hydra.sweep.dir={tmp_path}/sweep"]
    alone = name in ("report", "prepare") or "--cfg" in options
    process = cli(name, *options, *([] if alone else folders))
    works = name == "audit" or "job" in options or "--help" in options
    if works or (name == "train" and "--dry-run" in options):
        assert finished(process)
    else:
        fails(process)


@pytest.mark.slow
def test_commands_on_finished_runs(cli, folders, tmp_path):
    """`runs/demo`, `runs/a` and `runs/b` are tiny runs here."""
    for name in ("jump", "run"):
        grey_video(tmp_path / "seen" / name / "9.avi", 20)
    options = [*folders, "source@seen=folder", f"seen.root={tmp_path}/seen", "resamples=20"]
    for seed, run in enumerate(("demo", "b")):
        run = f"hydra.run.dir={tmp_path}/runs/{run}"
        finished(cli("train", *options, f"seed={seed}", "trainer.max_epochs=1", run))
    shutil.copytree(tmp_path / "runs" / "demo", tmp_path / "runs" / "a")
    scored = [line for line in ON_A_RUN if own(line)[0] not in PLAIN]
    assert len(scored) >= 4
    for number, line in enumerate(scored):
        name, typed = own(line)
        typed = [option.replace("runs/", f"{tmp_path}/runs/") for option in typed]
        place = f"out={tmp_path}/out" if name == "report" else f"hydra.run.dir={tmp_path}/{number}"
        said = finished(cli(name, *typed, place))
        assert "top-1" in said, line


@pytest.fixture
def copy(tmp_path):
    """A copy of the project that recipes may change, and a way to run a module of it there."""
    for folder in ("src", "conf", "experiments"):
        shutil.copytree(ROOT / folder, tmp_path / "copy" / folder, symlinks=True)

    def run(module, *options):
        own = {"PYTHONPATH": f"{tmp_path}/copy/src", "PATH": "", "OMP_NUM_THREADS": "1"}
        return run_module(module, options, own, 200, tmp_path / "copy")

    return tmp_path / "copy", run


def change(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1, f"{old} in {file}"
    file.write_text(text.replace(old, new))


def of_recipe(language, word):
    """Find the one block of the recipes that has a word."""
    (block,) = (b for b in blocks(RECIPES, language) if word in b)
    return block


@pytest.mark.slow
def test_recipe_of_a_data_set(copy):
    top, run = copy
    package = top / "src" / "zsvideo"
    (package / "data" / "datasets" / "toys.py").write_text(of_recipe("python", "class Toys"))
    table = package / "semantics" / "tables" / "toys.tsv"
    table.write_text("name\nspin top\nthrow ball\nride scooter\n")
    assert "toys: 3 classes, equal" in run("zsvideo.semantics.words", "write").stdout
    assert "throw ball\tthrow ball\tthrow ball" in table.read_text()
    (top / "conf" / "source" / "toys.yaml").write_text(of_recipe("yaml", "toys.Toys"))
    (top / "conf" / "target" / "toys.yaml").write_text(of_recipe("yaml", "/source@toys"))
    for name in ("spin_top", "throw ball", "Ride Scooter", "dance"):
        grey_video(top / "data" / "toys" / name / "1.avi", 18)
    options = ["dataset=toys", "root=data/toys", "out=prepared"]
    said = finished(run("src.prepare", *options))
    assert "3 of 3 videos can be used" in said and "left out: dance" in said
    options = ["source=toys", "target=[toys]", "protocol=targets", "semantics=word2vec_small"]
    assert "toys (source)" in finished(run("src.audit", *options))


R18 = """
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from zsvideo.resources import CONF

with initialize_config_dir(str(CONF), version_base="1.3"):
    model = compose("train", ["model=r18"]).model
net = instantiate(model, _convert_="all", embedding_dim=7)
print(CONF.parents[2], net.f_v.feature_dim)
"""


@pytest.mark.slow
def test_recipe_of_a_backbone(copy):
    top, run = copy
    file = top / "src" / "zsvideo" / "models" / "backbones.py"
    file.write_text(file.read_text() + "\n\n" + of_recipe("python", "def r18"))
    change(file, '__all__ = ["c3d", ', '__all__ = ["c3d", "r18", ')
    (top / "conf" / "model" / "r18.yaml").write_text(of_recipe("yaml", "backbone: r18"))
    assert "backbone: r18" in finished(run("src.train", "model=r18", "--cfg", "job"))
    (top / "own.py").write_text(R18)
    assert finished(run("own.py")).split() == [str(top), "512"]


@pytest.mark.slow
def test_recipe_of_a_head(copy):
    top, run = copy
    folder = top / "src" / "zsvideo" / "models" / "heads"
    (folder / "prototypes.py").write_text(of_recipe("python", "class Prototypes"))
    imported = "from zsvideo.models.heads.prototypes import Prototypes\n"
    change(
        folder / "__init__.py",
        "from zsvideo.models.heads.ridge",
        imported + "from zsvideo.models.heads.ridge",
    )
    change(
        folder / "__init__.py",
        '    "ridge": Ridge,',
        '    "ridge": Ridge,\n    "prototypes": Prototypes,',
    )
    (top / "conf" / "head" / "prototypes.yaml").write_text(of_recipe("yaml", "kind: prototypes"))
    for part, words in (("source", "jump run swim climb"), ("target", "read write")):
        for word in words.split():
            for number in range(2):
                grey_video(top / part / word / f"{number}.avi", 18)
    options = "source=folder source.root=source target=[folder] target.folder.root=target "
    options += "protocol=targets semantics=word2vec_small model=tiny clips.short_side=40 "
    options += "clips.crop=32 clips.test_clips=2 loader.workers=0 trainer.accelerator=cpu"
    first = [*options.split(), "trainer.max_steps=1", "hydra.run.dir=first"]
    finished(run("src.train", *first))
    fit = [*options.split(), "head=prototypes", "pretrain.ckpt=first", "hydra.run.dir=run"]
    assert "prototypes (re-implementation on tiny)" in finished(run("src.train", *fit))
    head = json.loads((top / "run" / "metrics.json").read_text())["head"]
    assert len(head["choice"]["tried"]) == 5 and head["options"]["sharpness"] >= 1


@pytest.mark.slow
def test_recipe_of_an_evaluation(copy):
    top, run = copy
    folder = top / "src" / "zsvideo" / "evaluation"
    change(
        folder / "protocols.py", "def half(", of_recipe("python", "def without") + "\n\ndef half("
    )
    change(folder / "scoring.py", "(full, half, ", "(full, without, half, ")
    change(folder / "scoring.py", "    shuffled,\n)", "    shuffled,\n    without,\n)")
    block = of_recipe("yaml", "protocols.without")
    (top / "conf" / "evaluation" / "without_cross.yaml").write_text(block.replace("cross", "c01"))
    (top / "predictions").mkdir()
    predictions(videos=60, classes=12).save(top / "predictions" / "own.npz")
    options = [
        "predictions=predictions/own.npz",
        "evaluation=[full,without_cross]",
        "hydra.run.dir=run",
    ]
    said = finished(run("src.evaluate", *options))
    assert re.search(r"without_c01 +│ 11 ", said) and re.search(r"full +│ 12 ", said)
    assert "without_c01" in finished(run("src.report", "run=run"))


@pytest.mark.slow
def test_recipe_of_a_figure(copy):
    """One module and one preset; the sweep lists its jobs, the report shows them and the page."""
    top, run = copy
    module = top / "src" / "zsvideo" / "reporting" / "studies" / "fig8.py"
    module.write_text(of_recipe("python", "Fig. 8: error by dropout"))
    (top / "experiments" / "fig8.yaml").write_text(of_recipe("yaml", "name: fig8"))
    options = ["experiments=fig8", "scale=demo"]
    assert "6 of 6 jobs missing" in finished(run("src.train", "-m", *options, "--dry-run"))
    axes = [{"model.dropout": d, "seed": s} for d in (0, 0.5) for s in range(3)]
    jobs = [{"axes": a, "folder": f"../jobs/{n}"} for n, a in enumerate(axes)]
    study = top / "multirun" / "demo" / "fig8"
    study.mkdir(parents=True)
    (study / "jobs.json").write_text(json.dumps({"study": {"name": "fig8"}, "jobs": jobs}))
    for number, job in enumerate(jobs[:5]):
        finished_run(study / job["folder"], predictions(60, seed=number))
    assert "fig8: 5 of 6 runs finished" in finished(run("src.report", *options))
    assert "(2 of 3)" in (study / "fig8.md").read_text() and (study / "fig8.svg").is_file()
    assert "Fig. 8" in (study.parent / "index.html").read_text()
