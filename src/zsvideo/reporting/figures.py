"""Pictures of a run: accuracy by class against chance, and test clips with their names."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw

from zsvideo.reporting.identity import seen_targets
from zsvideo.reporting.run import Run

RIGHT, WRONG, CHANCE = "#0072b2", "#d55e00", "#444444"  # colour-blind safe (Okabe and Ito)
SIDE = 190


def accuracy_figure(run: Run, target: str, file: Path) -> None:
    """Draw top-1 of each class of a target, beside the mean and chance (at most 60 bars)."""
    classes = run.per_class(target)
    shown = classes if len(classes) <= 60 else classes[:30] + classes[-30:]
    values = [value for _, _, value in shown]
    mean = float((run.predictions(target).nearest() == run.predictions(target).labels).mean())
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.17 * len(shown)), layout="constrained")
    axes.barh(range(len(shown)), values, color=RIGHT)
    axes.set_yticks(range(len(shown)), [f"{name} ({n})" for name, n, _ in shown], fontsize=7)
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
