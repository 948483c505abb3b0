"""SUN397: 397 scenes in 108,754 photographs (Xiao et al., 2010), and other still images."""

from zsvideo.data.datasets.base import Archive, VideoSet
from zsvideo.data.layouts import IMAGE_FILES, files_below
from zsvideo.data.videos import Video, Videos
from zsvideo.options import Text, options


@options
class Images(VideoSet):
    """Still images in one folder a class: each is a clip by the Ken Burns effect (Sec. 4.1)."""

    how = "put the images into one folder a class"
    suffixes = IMAGE_FILES

    def empty_folders(self) -> list[str]:
        """A folder without images is no class."""
        return []


@options
class SUN397(Images):
    """SUN397: `<letter>/<class>/*.jpg`, `<letter>/<class>/<kind>/*.jpg`, as synthetic video."""

    table: Text | None = "sun397"

    published_videos = 108_754
    how = "unpack SUN397.tar.gz there"
    inner = "SUN397"
    archives = (
        Archive(
            "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz",
            checksum="md5:8ca2778205c41d23104230ba66911c7a",
        ),
    )

    def find(self) -> Videos:
        """List the images by their folder, which is their class."""
        below = files_below(self.folder, self.suffixes)
        images = [file for file in below if file.parent != self.folder]
        paths = [file.relative_to(self.folder).as_posix() for file in images]
        named = zip(paths, images, strict=True)
        return self.official([Video(p, str(f), p.rsplit("/", 1)[0]) for p, f in named])
