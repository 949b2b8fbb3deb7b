"""A table of labels has one reading, or is refused with the line that has two."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import pocketvision as pv
from datafolders import PACKINGS, Packing, names, plant
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.folds import deal_folds
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import split
from pocketvision.errors import InputError


def table(folder: Path, text: str, **options: object) -> Dataset:
    plant(folder, *(f"{name}.png" for name in "abcdef"))
    (folder / "labels.csv").write_text(text)
    return open_dataset(folder, **options)


def labels(*names: str) -> str:
    return "path,label\n" + "".join(f"{path}.png,{name}\n" for path, name in zip("abcdef", names, strict=False))


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (
            ("1", "2", "3", "0"),
            ["1", "2", "3"],
            "class 0 of train .* is not among .* other labels are names of classes",
        ),
        (("0", "1", "2", "3"), ["1", "2", "3"], "class 0 of train"),
        (
            ("ant", "1"),
            ["ant", "bee"],
            "class 1 of train .* other labels are names of classes, so that this is no index",
        ),
        (("0", "1", "7"), ["ant", "bee"], "class 7 of train"),
        (("0", "1", "7"), ["7", "8"], "class 0 of train"),  # 7 is a name: 0 and 1 are no indices beside it
        (
            ("0", "1", "2"),
            ["10", "20", "30"],
            "class 0 of train .* the classes are called by numbers, so that this is no",
        ),
        (("0", "0"), ["1", "2", "3"], "class 0 of train .* the classes are called by numbers"),
        (
            ("1", "2", "3"),
            ["ant", "bee", "fly"],
            r"class 3 of train .* labels count from 0 \(ant\) to 2 \(fly\): write",
        ),
    ],
)
def test_labels_are_names_or_indices_never_both(
    tmp_path: Path, names: tuple[str, ...], classes: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        table(tmp_path / "data", labels(*names), classes=classes)


def test_folders_are_called_by_names_not_by_indices(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="class 0 of train .*: indices are for tables, call the folder by the name of a"
    ):
        open_dataset(plant(tmp_path / "data", "0/1.png", "1/1.png"), ["cat", "dog"])


def test_labels_that_were_read_as_indices_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = table(tmp_path / "data", labels("1", "2"), classes=["cat", "dog", "owl"])
    assert dataset.notes == (
        ("warning", "labels were read as indices, from 0: 1 = dog, 2 = owl"),
        ("note", "4 images are in no row of the table (c.png, d.png, e.png, 1 more)"),
    )
    names = table(tmp_path / "names", labels("dog", "owl", "dog", "owl", "cat", "cat"), classes=["cat", "dog", "owl"])
    assert names.notes == ()
    net = pv.create_model("mobilenet_v1", classes=["cat", "dog", "owl"], width=0.25, resolution=32)
    result = pv.evaluate(net, tmp_path / "data")
    assert result["images"] == 2 and result["notes"] == [sentence for _, sentence in dataset.notes]
    said = capsys.readouterr().err.splitlines()
    assert dataset.notes[0][1] in said and not any("no row" in line for line in said)


def test_the_splits_of_a_table_are_read_alike(tmp_path: Path) -> None:
    """In the val rows alone the labels would be names, in those of train indices."""
    text = "path,label,split\na.png,0,train\nb.png,1,train\nc.png,1,val\n"
    with pytest.raises(InputError, match="class 0 of train"):
        table(tmp_path / "data", text, classes=["1", "2"])


ROWS = "".join(f"{name}.png,ant,plain\n" for name in "bcde")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'path,label,note\na.png,"ant,plain\n{ROWS}', "line 2: not a CSV .* a quotation mark does not close"),
        (f'path,label,note\na.png,ant,"plain\n{ROWS}', "line 2: not a CSV .* a quotation mark does not close"),
        (f'path,label,note\n{ROWS}a.png,"ant"bee,\n', "line 6: not a CSV .* a quotation mark does not close"),
        (f'path,label,note\na.png,"ant,plain\n{ROWS}f.png,ant",plain\n', "line 2: .* closes only in line 7: take it"),
        (f'path,label,note\na.png,ant,"plain\n{ROWS}f.png,ant,plain"\n', "line 2: .* closes only in line 7: take it"),
        (f'path,label,note\n\n{ROWS}a.png,ant",plain\n', 'line 7: a stray quotation mark in ant": take it away, or'),
        (f'path,label,note\n"a.png,ant,plain\n{ROWS}', "line 2: not a CSV"),
        ("path,label\na, b.png,ant\n", "line 2: 3 cells in 2 columns: write a cell that holds a comma in quotation"),
        ("path;label\na;b.png;ant\n", "line 2: 3 cells in 2 columns: write a cell that holds a semicolon"),
        ('path,cat,dog\na.png,1,"0\nb.png,0,1\n', "line 2: not a CSV"),
        # a pair of marks takes whole rows into a cell that nobody reads
        ('path,note,label\na.png,"x,ant\nb.png,y",bee\n', "line 2: .* closes only in line 3: take it away"),
        ('path,note,label\na,"x,ant\nb,y",bee\n', "line 2: .* closes only in line 3"),
        ('path,label,note\na.png,ant,"x\nb.png,bee"\n', "line 2: .* closes only in line 3"),
        ('note,path,label\n"x,a.png,ant\n\ny",b.png,bee\n', "line 2: .* closes only in line 4"),
        ('path,label,"note\na.png,ant,x"\nb.png,bee,\n', "line 1: .* closes only in line 2"),
        ('"note,path,label\nx,a.png,ant"\ny,b.png,bee\n', "line 1: .* closes only in line 2"),
        ('path,label,note\na.png,"ant,plain"\n', "line 2: a quotation mark makes one cell of ant,plain, and the row"),
        ("path,label\na.png,“ant”\n", "line 2: “ant” has quotation marks that a CSV does not know: write ant without"),
        ("path,label\na.png,ant\nb.png,'bee'\n", "line 3: 'bee' has quotation marks that a CSV does not know"),
        ("path,label,Label\na.png,ant,bee\n", "has 2 columns label: keep one, or rename the others"),
        ("path,Path,label\na.png,b.png,bee\n", "has 2 columns path: keep one"),
        ("path,ant,ant\na.png,1,0\n", "has 2 columns ant: keep one"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_rows_are_not_swallowed(tmp_path: Path, text: str, message: str, ending: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        table(tmp_path / "data", text.replace("\n", ending))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "name"),
    [('"5"" pot"', '5" pot'), ('"ant"', "ant"), (' "ant"', "ant"), ('"ant, black"', "ant, black"), ('5"x"', '5"x"')],
)
def test_quotation_marks_that_belong_there(tmp_path: Path, cell: str, name: str) -> None:
    text = f'path,label,note\na.png,{cell},"over\ntwo lines"\nb.png,bee,5" tall\nc.png,bee,,\n'
    dataset = table(tmp_path / "data", text)
    assert sorted(dataset.classes) == sorted([name, "bee"]) and len(dataset.splits["train"]) == 3


@pytest.mark.parametrize(
    "text",
    [
        'path,label,note\na.png,ant,"over\nthree, lines,\nor so"\nb.png,bee,\n',
        'note,path,label\n"over\ntwo, or so",a.png,ant\n,b.png,bee\n',
        'path,note,label\na.png,"over\ntwo, or so",ant\nb.png,,bee\n',
        'path,label,"note\n(if any)"\na.png,ant,\nb.png,bee,\n',
        "path,label,note,note,,\na.png,ant,,,,\nb.png,bee,,,,\n,,,,,\n\n\n",
        "\ufeffpath;label;note\r\na.png;ant;1,5\r\nb.png;bee;2,5\r\n\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_spreadsheets(tmp_path: Path, text: str, encoding: str) -> None:
    folder = plant(tmp_path / "data", "a.png", "b.png")
    (folder / "labels.csv").write_bytes(text.removeprefix("\ufeff" if encoding == "utf-16" else "").encode(encoding))
    assert names(open_dataset(folder)) == {"train": [("a.png", "ant"), ("b.png", "bee")]}


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("A.PNG", r"did you mean a\.png\?"),
        ("a", r"did you mean a\.png\?"),
        (r".\A.png", r"did you mean a\.png\?"),
        ("https://x.org/a.png", "addresses are not fetched: download the images and write their paths"),
        ("file:///tmp/a.png", "addresses are not fetched"),
        ("~/a.png", "write out what ~ stands for"),
        ("C:/a.png", "paths are relative to the folder of the CSV"),
        ("a" * 5000, "paths are relative to the folder of the CSV"),
    ],
)
@pytest.mark.parametrize("pack", PACKINGS[:2])
def test_paths_that_name_nothing(tmp_path: Path, path: str, advice: str, pack: Packing) -> None:
    folder = plant(tmp_path / "data", "a.png")
    (folder / "labels.csv").write_text(f"path,label\n{path},ant\n")
    with pytest.raises(InputError, match=f"names 1 image that is not there .*: {advice}"):
        open_dataset(pack(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,labels\na.png,cat|dog\nb.png,cat;dog\n", "line 3: names are separated by ; in cat;dog, by | in line 2"),
        (
            "path,labels\na.png,cat;dog\nb.png,cat|dog;bird\n",
            "line 2: names are separated by ; in cat;dog, by | in line 3",
        ),
        ('path,labels\na.png,"cat,dog"\nb.png,"dog,bird"\n', "line 2: cat,dog could be one class or several: separate"),
        ('path,labels\na.png,"cat,dog"\nb.png,cat|bird\n', "line 2: cat,dog could be one class .* separate names by |"),
        ("path;labels\na.png;cat,dog\nb.png;cat\n", "line 2: cat,dog could be one class or several"),
        ("path,labels\na.png,cat/dog\nb.png,cat|bird\n", "line 2: cat/dog could be .* write one without /"),
        ("path,labels\na.png,cat+dog\nb.png,dog\n", "line 2: cat.dog could be one class or several"),
        ("path,label\na.png,cat|dog\nb.png,cat;dog\nc.png,cat\nd.png,dog\n", "line 3: names are separated by ;"),
        ('path,label\na.png,"cat,dog"\nb.png,cat\nc.png,dog\n', "line 2: cat,dog could be one class or several: call"),
        ("path,label\na.png,cat/dog\nb.png,cat\nc.png,dog\n", "line 2: cat/dog could be one class or several: call"),
        ("path,labels\na.png,cat and dog\nb.png,dog\n", "line 2: cat and dog could be .* write one without and"),
        ("path,labels\na.png,cat - dog\nb.png,dog\n", "line 2: cat - dog could be .* write one without -"),
        ("path,labels\na.png,cat|owl\nb.png,Cat dog\nc.png,dog\n", "line 3: Cat dog could be .* with _ in place"),
        ("path,labels\na.png,sea lion-cat\nb.png,sea lion|cat\n", "line 2: sea lion-cat could be .* without -"),
        ("path,labels\na.png,cat，dog\nb.png,owl\n", "line 2: cat，dog could be one class .* write one without ，"),
        ("path,labels\na.png,猫、犬\nb.png,鳥\n", "line 2: 猫、犬 could be one class or several: separate names by"),
        ('path;labels\na.png;"cat;dog"\nb.png;cat\n', "line 2: cat;dog could be one class or several"),
        ("path,label\na.png,cat and dog\nb.png,cat\nc.png,dog\n", "line 2: cat and dog .*: call .* without and if"),
        ("path,label\na.png,cat、dog\nb.png,cat\nc.png,dog\n", "line 2: cat、dog could be one class or several: call"),
    ],
)
def test_combinations_are_not_made_into_classes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("|", r"\|")):
        table(tmp_path / "data", text)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ('path,labels\na.png,"Paris, France|Rome, Italy"\nb.png,\n', {"Paris, France", "Rome, Italy"}),
        ("path,labels\na.png,black/white|grey\nb.png,\n", {"black/white", "grey"}),
        ('path,label\na.png,"Paris, France"\nb.png,"Rome, Italy"\n', {"Paris, France", "Rome, Italy"}),
        ("path,label\na.png,salt & pepper\nb.png,salt\n", {"salt & pepper", "salt"}),
        ("path,label\na.png,hot dog\nb.png,hot\nc.png,dog\n", {"hot dog", "hot", "dog"}),
        ("path,labels\na.png,hot_dog|hot\nb.png,dog\n", {"hot_dog", "hot", "dog"}),
        ("path,labels\na.png,hot dog|dog house\nb.png,dog\n", {"hot dog", "dog house", "dog"}),
        ("path,label\na.png,2.5\nb.png,2\nc.png,5\n", {"2.5", "2", "5"}),
    ],
)
def test_names_with_such_signs_stay_names(tmp_path: Path, text: str, classes: set[str]) -> None:
    assert set(table(tmp_path / "data", text).classes) == classes


# --- what belongs together


def pairs(number: int = 60, group: bool = False) -> tuple[Dataset, list[list[str]]]:
    """`number` pictures of two classes, each there twice; where there are groups, the copies are in different ones."""
    samples = tuple(
        Sample(ImageFile(Path(f"{i}{copy}.png")), i % 2, f"{i}{copy}", f"{copy}{i // 3}" if group and i % 5 else "")
        for i in range(number)
        for copy in "ab"
    )
    return Dataset("d", "d", ("x", "y"), {"train": samples}), [[f"{i}a", f"{i}b"] for i in range(number)]


def torn(dataset: Dataset, together: list[list[str]]) -> int:
    home = {sample.name: name for name, part in dataset.splits.items() for sample in part}
    return sum(len({home[name] for name in names}) > 1 for names in together)


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_copies_stay_in_one_fold_and_in_one_split(group: bool, seed: int) -> None:
    dataset, together = pairs(group=group)
    dealt = deal_folds(dataset, 5, seed, together)
    assert torn(dealt, together) == 0 < torn(deal_folds(dataset, 5, seed), together)
    sizes = [Counter(sample.label for sample in part) for part in dealt.splits.values()]
    assert all(abs(size[label] - 12) <= (6 if group else 2) for size in sizes for label in (0, 1))
    assert torn(split(dataset, seed=seed, together=together), together) == 0


def test_copies_in_a_given_val_are_dealt_with_those_in_train() -> None:
    dataset, together = pairs()
    samples = dataset.splits["train"]
    given = Dataset("d", "d", ("x", "y"), {"train": samples[::2], "val": samples[1::2]})
    assert torn(deal_folds(given, 3, 0, together), together) == 0


def test_too_few_different_pictures_for_the_folds() -> None:
    dataset, together = pairs(6)
    with pytest.raises(InputError, match="has 3 different pictures of class x, too few for 5 folds: give --folds 3"):
        deal_folds(dataset, 5, 0, together)


@pytest.mark.parametrize("pack", PACKINGS[:2])
def test_several_labels_and_copies(tmp_path: Path, pack: Packing) -> None:
    folder = plant(tmp_path / "data", *(f"{i}.png" for i in range(24)))
    (folder / "labels.csv").write_text(
        "path,labels\n" + "".join(f"{i}.png,{'a|b' if i % 4 < 2 else 'b|c'}\n" for i in range(24))
    )
    dataset = open_dataset(pack(folder))
    together = [[f"{i}.png", f"{i + 1}.png"] for i in range(0, 24, 2)]
    assert torn(deal_folds(dataset, 3, 0, together), together) == 0
    assert torn(split(dataset, together=together), together) == 0
