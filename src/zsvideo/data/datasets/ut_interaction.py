"""UT-Interaction, segmented: six interactions of two persons (Ryoo and Aggarwal, 2010)."""

from zsvideo.data.datasets.base import Archive
from zsvideo.data.datasets.file_names import NamedFiles
from zsvideo.options import Text, options

NAMES = ("shake hands", "hug", "kick", "point", "punch", "push")
ADDRESS = "https://cvrc.ece.utexas.edu/SDHA2010/videos/competition_1"


@options
class UTInteraction(NamedFiles):
    """UT-Interaction, segmented: `<number>_<sequence>_<class number>.avi`, twenty a class."""

    table: Text | None = "ut_interaction"

    published_videos = 120
    how = (
        "fetch it (python -m src.prepare dataset=ut_interaction root=FOLDER out=PREPARED "
        "download=true) or unpack ut-interaction_segmented_set1.zip and _set2.zip of "
        "cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html there"
    )
    pattern = r"(set[12]_)?\d+_\d+_(?P<code>[0-5])"
    codes = {str(number): name for number, name in enumerate(NAMES)}
    archives = tuple(
        Archive(f"{ADDRESS}/ut-interaction_segmented_set{number}.zip") for number in (1, 2)
    )
