"""What a run says of its test strips: probabilities, heatmaps, and where the defects truly are.

    python benchmarks/prediction_sheet.py RUN docs/pictures/predictions.jpg

One block a class: the first test strip with that class alone. Above, the strip with the outlines of
its masks; below, the heatmap of the class the network is surest of, drawn into the strip.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont

from stripsight.config.compose import load_config
from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.decision.document import load_decisions
from stripsight.decision.policy import DEFECT, REVIEW, decide
from stripsight.training.build import build_data
from stripsight.training.trained_network import load_network

SHOWN = (800, 128)
HEAD, GAP = 24, 8
MARKS = {REVIEW: " REVIEW", DEFECT: " DEFECT"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    run: Path = arguments.run
    data = build_data(load_config(run / "config.yaml"))
    network, classes = load_network(run / "checkpoints" / "best.ckpt")
    network.eval()
    decisions = load_decisions(run / "decisions.json", classes.names)
    test = data.datasets["test"]
    full = SeverstalFullImageDataset(data.prepared, ids=test.ids, masks=True)
    block = HEAD + 2 * SHOWN[1] + GAP
    sheet = Image.new("RGB", (SHOWN[0] + 2 * GAP, block * len(classes) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for column, defect in enumerate(classes):
        alone = (test.labels[:, column] == 1) & (test.labels.sum(axis=1) == 1)
        index = int(np.flatnonzero(alone)[0])
        sample = full[index]
        with torch.inference_mode():
            image = test[index]["image"][None]
            logits = network(image).logits.numpy()
            scores = decisions.calibration.apply(logits)[0]
            codes = decide(decisions.policy, scores[None])[0]
            surest = int(np.argmax(scores))
            heat = network.heatmaps(image, size=(SHOWN[1], SHOWN[0]))[0, surest].numpy()
        top = GAP + column * block
        said = "   ".join(
            f"{c.name} {score:.2f}{MARKS.get(int(code), '')}"
            for c, score, code in zip(classes, scores, codes, strict=True)
        )
        draw.text((GAP, top), f"true: {defect.name} ({defect.title})      {said}", "black", font)
        grey = Image.fromarray(sample["image"][0].numpy()).resize(SHOWN, Image.Resampling.BOX)
        mask = Image.fromarray(sample["mask"][column].numpy() * 255)
        inside = np.pad(np.asarray(mask.resize(SHOWN, Image.Resampling.BOX)) > 60, 1)
        core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        drawn = np.array(grey.convert("RGB"))
        drawn[inside[1:-1, 1:-1] & ~core] = ImageColor.getrgb(classes.color(column))
        sheet.paste(Image.fromarray(drawn), (GAP, top + HEAD))
        share = (heat / max(heat.max(), 1e-6))[..., None] * 0.6
        color = np.array(ImageColor.getrgb(classes.color(surest)), dtype=float)
        mixed = np.array(grey.convert("RGB")) * (1 - share) + color * share
        sheet.paste(Image.fromarray(mixed.astype(np.uint8)), (GAP, top + HEAD + SHOWN[1]))
    sheet.save(arguments.output, quality=85, optimize=True)


if __name__ == "__main__":
    main()
