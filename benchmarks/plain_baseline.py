"""The obvious alternative to `stripsight train`: a plain script on the very split of a run.

ResNet18 from scratch, AdamW, one-cycle, flips and brightness, bf16, batch 32, 20 epochs. Run it on
the split that a StripSight run used; both are then judged on the same images.

    python benchmarks/plain_baseline.py PREPARED --split holdout
"""

import argparse
import time

import numpy as np
import timm
import torch
from torch.nn import functional as F

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.evaluation.metrics import compute_average_precision
from stripsight.evaluation.policies.max_f1 import find_max_f1_threshold

EPOCHS, BATCH, RATE = 20, 32, 2e-3


def load(dataset: SeverstalFullImageDataset) -> tuple[torch.Tensor, torch.Tensor]:
    samples = [dataset[index] for index in range(len(dataset))]
    images = torch.stack([sample["image"] for sample in samples]).float() / 255
    return (images - 0.5) / 0.25, torch.stack([sample["target"] for sample in samples])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prepared")
    parser.add_argument("--split", default="holdout")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    parts = {
        part: SeverstalFullImageDataset(arguments.prepared, part, split_name=arguments.split)
        for part in ("train", "validation", "test")
    }
    classes = parts["train"].classes
    started = time.perf_counter()
    images, targets = load(parts["train"])
    model = timm.create_model("resnet18", in_chans=1, num_classes=len(classes))
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        model.train()
        order = torch.randperm(len(images))
        for start in range(0, len(images) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            batch = images[rows]
            batch = batch.flip(2) if torch.rand(()) < 0.5 else batch
            batch = batch.flip(3) if torch.rand(()) < 0.5 else batch
            batch = batch + (torch.rand(len(batch), 1, 1, 1) - 0.5) * 0.8
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(batch.contiguous(memory_format=torch.channels_last))
            loss = F.binary_cross_entropy_with_logits(logits.float(), targets[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{EPOCHS}  last loss {loss.item():.4f}", flush=True)
    print(f"trained in {time.perf_counter() - started:.0f} s on {len(images)} images")
    model.eval()
    scores, labels = {}, {}
    for part in ("validation", "test"):
        images, _ = load(parts[part])
        with torch.inference_mode():
            logits = torch.cat([model(chunk) for chunk in torch.split(images, 64)])
        scores[part], labels[part] = logits.sigmoid().numpy(), parts[part].labels
    thresholds = [
        find_max_f1_threshold(scores["validation"][:, c], labels["validation"][:, c])
        for c in range(len(classes))
    ]
    # A class without validation positives has no threshold and is never called.
    limits = np.array([np.inf if limit is None else limit for limit in thresholds])
    for part in ("validation", "test"):
        precisions = [
            compute_average_precision(scores[part][:, c], labels[part][:, c]) or 0.0
            for c in range(len(classes))
        ]
        called = scores[part].astype(np.float64) >= limits
        hits = (called & (labels[part] == 1)).sum(axis=0)
        f1 = 2 * hits / (called.sum(axis=0) + labels[part].sum(axis=0))
        print(
            f"{part} ({len(called)} images): macro AP {sum(precisions) / len(precisions):.4f}"
            f"  macro F1 {f1.mean():.4f}"
            f"  exact match {(called == labels[part]).all(axis=1).mean():.4f}"
        )


if __name__ == "__main__":
    main()
