"""Files as values: `FlyteFile`, and names for it with common formats.

A format's row in `hardpoint.types.file.formats` says how files of it are recognised.
"""

from typing import Annotated

from hardpoint.types.file.file import FlyteFile
from hardpoint.types.file.formats import FormatWarning
from hardpoint.types.file.location import FileExt
from hardpoint.types.file.transformer import FlyteFilePathTransformer

csv = Annotated[str, FileExt("csv")]
hdf5 = Annotated[str, FileExt("hdf5")]
html = Annotated[str, FileExt("html")]
ipynb = Annotated[str, FileExt("ipynb")]
joblib = Annotated[str, FileExt("joblib")]
jpeg = Annotated[str, FileExt("jpeg")]
jsonl_file = Annotated[str, FileExt("jsonl")]
onnx = Annotated[str, FileExt("onnx")]
pdf = Annotated[str, FileExt("pdf")]
png = Annotated[str, FileExt("png")]
python_pickle = Annotated[str, FileExt("python_pickle")]
svg = Annotated[str, FileExt("svg")]
tfrecords_file = Annotated[str, FileExt("tfrecord")]

CSVFile = FlyteFile[csv]
HDF5EncodedFile = FlyteFile[hdf5]
HTMLPage = FlyteFile[html]
JoblibSerializedFile = FlyteFile[joblib]
JPEGImageFile = FlyteFile[jpeg]
JSONFile = FlyteFile[Annotated[str, FileExt("json")]]
JSONLFile = FlyteFile[jsonl_file]
MP4File = FlyteFile[Annotated[str, FileExt("mp4")]]
ONNXFile = FlyteFile[onnx]
ParquetFile = FlyteFile[Annotated[str, FileExt("parquet")]]
PDFFile = FlyteFile[pdf]
PNGImageFile = FlyteFile[png]
PythonNotebook = FlyteFile[ipynb]
PythonPickledFile = FlyteFile[python_pickle]
SVGImageFile = FlyteFile[svg]
TFRecordFile = FlyteFile[tfrecords_file]
WAVFile = FlyteFile[Annotated[str, FileExt("wav")]]
YAMLFile = FlyteFile[Annotated[str, FileExt("yaml")]]
ZipFile = FlyteFile[Annotated[str, FileExt("zip")]]

__all__ = [
    "CSVFile",
    "FileExt",
    "FlyteFile",
    "FlyteFilePathTransformer",
    "FormatWarning",
    "HDF5EncodedFile",
    "HTMLPage",
    "JPEGImageFile",
    "JSONFile",
    "JSONLFile",
    "JoblibSerializedFile",
    "MP4File",
    "ONNXFile",
    "PDFFile",
    "PNGImageFile",
    "ParquetFile",
    "PythonNotebook",
    "PythonPickledFile",
    "SVGImageFile",
    "TFRecordFile",
    "WAVFile",
    "YAMLFile",
    "ZipFile",
    "csv",
    "hdf5",
    "html",
    "ipynb",
    "joblib",
    "jpeg",
    "jsonl_file",
    "onnx",
    "pdf",
    "png",
    "python_pickle",
    "svg",
    "tfrecords_file",
]
