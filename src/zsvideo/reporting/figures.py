"""Pictures of a run: accuracy by class against chance, confusions, test clips with their names."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from zsvideo.evaluation.diagnosis import confusion_matrix
from zsvideo.reporting.identity import seen_targets
from zsvideo.reporting.plots import plt
from zsvideo.reporting.run import Run
from zsvideo.texts import printable

RIGHT, WRONG, CHANCE = "#0072b2", "#d55e00", "#444444"  # colour-blind safe (Okabe and Ito)
SIDE = 190
MOST_CLASSES, NUMBERED = 30, 12  # of a confusion matrix: drawn, and with numbers


def accuracy_figure(run: Run, target: str, file: Path) -> None:
    """Draw top-1 of each class of a target, beside the mean and chance (at most 60 bars)."""
    classes = run.per_class(target)
    shown = classes if len(classes) <= 60 else classes[:30] + classes[-30:]
    values = [value for _, _, value in shown]
    mean = float((run.predictions(target).nearest() == run.predictions(target).labels).mean())
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.17 * len(shown)), layout="constrained")
    axes.barh(range(len(shown)), values, color=RIGHT)
    names = [f"{printable(name)} ({n})" for name, n, _ in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=7)
    axes.invert_yaxis()
    candidates = len(run.predictions(target).class_names)
    axes.axvline(100 * mean, color=WRONG, label=f"all videos {100 * mean:.1f} %")
    axes.axvline(100 / candidates, color=CHANCE, ls=":", label=f"chance {100 / candidates:.1f} %")
    axes.set_xlim(0, 100)
    seen = target in seen_targets(run)
    axes.set_xlabel(f"{'zero-shot ' * (not seen)}top-1 accuracy (%), class (number of videos)")
    axes.set_title(f"{target}: {candidates} {'seen' if seen else 'unseen'} classes")
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def most_confused(counts: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Leave the classes with most mistakes in a confusion matrix, and one of all others.

    Args:
        counts: (K, K) videos of each class by the class that they are taken for.
        names: of the classes.

    Returns:
        The matrix (M, M + 1), or (K, K) where there are few classes, and the names of its rows.
    """
    if len(names) <= MOST_CLASSES:
        return counts, names
    wrong = counts.sum(axis=1) - np.diag(counts)
    rows = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    others = counts[rows].sum(axis=1) - counts[np.ix_(rows, rows)].sum(axis=1)
    return np.column_stack([counts[np.ix_(rows, rows)], others]), [names[row] for row in rows]


def confusion_figure(run: Run, target: str, file: Path) -> None:
    """Draw for which classes the videos of a target are taken: all, or those with most mistakes."""
    predictions = run.predictions(target)
    names = [str(name) for name in predictions.class_names]
    counts, shown = most_confused(confusion_matrix(predictions), names)
    columns = [*shown, *["others"] * (counts.shape[1] - len(shown))]
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [printable(name)[:30] for name in columns]
    width, margin = 0.17 * max(len(columns), 12), 0.2 + 0.07 * max(map(len, labels))
    wide, high = width + margin + 0.1, width + margin + 0.5
    figure = Figure(figsize=(wide, high))
    axes = figure.add_axes((margin / wide, 0.1 / high, width / wide, width / high))
    most = percent[:, : len(shown)].max()
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=most, aspect="auto")
    if len(columns) <= NUMBERED:
        for (row, column), share in np.ndenumerate(percent):
            if share:
                colour = "white" if 2 * share > most else "black"
                number = axes.text(column, row, str(counts[row, column]), fontsize=7, color=colour)
                number.set(ha="center", va="center")
    axes.set_xticks(range(len(columns)), labels, rotation=90, fontsize=7)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(shown)), labels[: len(shown)], fontsize=7)
    left = f"; the {len(shown)} of {len(names)} with most mistakes" * (len(shown) < len(names))
    title = f"{target}: classes (rows){left}\nand what they are taken for, by share"
    figure.text(0.05 / wide, 1 - 0.05 / high, title, fontsize=7, va="top")
    figure.savefig(file, dpi=130)


def clip_sheet(samples: list[tuple[np.ndarray, str, str]], file: Path, columns: int = 4) -> None:
    """Write an animated GIF of test clips, each with its true and its predicted class."""
    rows = -(-len(samples) // columns)
    tall = SIDE + 30
    frames = []
    for time in range(samples[0][0].shape[0]):
        sheet = Image.new("RGB", (columns * SIDE, rows * tall), "white")
        draw = ImageDraw.Draw(sheet)
        for number, (clip, true, predicted) in enumerate(samples):
            x, y = number % columns * SIDE, number // columns * tall
            sheet.paste(Image.fromarray(clip[time]).resize((SIDE - 4, SIDE - 4)), (x + 2, y + 2))
            draw.text((x + 4, y + SIDE - 1), f"is: {true}"[:33], fill="black")
            colour = RIGHT if true == predicted else WRONG
            draw.text((x + 4, y + SIDE + 12), f"said: {predicted}"[:33], fill=colour)
        frames.append(sheet.quantize(method=Image.Quantize.FASTOCTREE))  # a tenth of the time
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=80, loop=0)
