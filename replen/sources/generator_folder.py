"""A folder on any file system that Spark reaches: what is needed to make one appear all at once."""

from typing import Any

from pyspark.sql import SparkSession

from replen.errors import SourceError


class Folder:
    """A folder by its path or URL; a relative path is one of Spark's working directory."""

    def __init__(self, spark: SparkSession, name: str) -> None:
        """Find the file system that holds the folder."""
        jvm: Any = spark._jvm
        context: Any = spark.sparkContext
        self.name = name
        self._path = jvm.org.apache.hadoop.fs.Path(name)
        self._files = self._path.getFileSystem(context._jsc.hadoopConfiguration())
        self._child = jvm.org.apache.hadoop.fs.Path
        self._text = jvm.org.apache.commons.io.IOUtils

    def exists(self) -> bool:
        """Return whether something other than an empty folder is there."""
        return bool(self._files.exists(self._path)) and len(self._files.listStatus(self._path)) > 0

    def read(self, file: str) -> str | None:
        """Return the text of a file of the folder; None where there is no such file."""
        path = self._child(self._path, file)
        if not self._files.exists(path):
            return None
        stream = self._files.open(path)
        try:
            return str(self._text.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write(self, file: str, text: str) -> None:
        """Write a file of the folder."""
        stream = self._files.create(self._child(self._path, file))
        try:
            stream.write(bytearray(text, "utf-8"))
        finally:
            stream.close()

    def delete(self) -> None:
        """Delete the folder and all it holds, if it is there."""
        self._files.delete(self._path, True)

    def rename(self, target: "Folder") -> None:
        """Give the folder another place, which must be free.

        Raises:
            SourceError: the place is taken, or the file system refuses.
        """
        parent = target._path.getParent()
        if parent is not None:
            self._files.mkdirs(parent)
        if self._files.exists(target._path) or not self._files.rename(self._path, target._path):
            raise SourceError(f"{target.name}: cannot be made from {self.name}; see that it can be written and is not in use")
