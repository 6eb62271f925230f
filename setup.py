from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = "depth_ros"
ROBOT = [
    "numpy>=1.21",
    "opencv-python-headless>=4.5",
    "scipy>=1.8",
    "PyYAML>=5.4",
    "rosbags>=0.11,<0.12",
    "onnxruntime>=1.14",
]

setup(
    name=NAME,
    version="0.1.0",
    description="Dense metric depth from a camera and a LiDAR for ROS 2",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="depth_ros maintainers",
    author_email="maintainers@depth-ros.example.com",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: ["py.typed"],
        f"{NAME}.nodes": ["*.xml"],
        f"{NAME}.evaluation": ["*.jinja"],
        f"{NAME}.models": ["assets/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", sorted(glob("launch/*.launch.py"))),
        (f"share/{NAME}/config", sorted([*glob("config/*"), *glob(f"{NAME}/nodes/*.xml")])),
    ],
    python_requires=">=3.10",
    install_requires=["setuptools"],
    extras_require={
        "robot": ROBOT,
        "openvino": ["openvino>=2024.0"],
        "rtx": ["tensorrt_rtx>=1.4"],
        "report": ["Jinja2>=3.0", "matplotlib>=3.5", "tqdm>=4.57"],
        "export": ["onnx>=1.17", "onnxruntime>=1.16", "tqdm>=4.57"],
        "train": [
            "torch>=2.5",
            "safetensors>=0.4",
            "onnx>=1.17",
            "onnxscript>=0.3",
            "onnxruntime>=1.16",
            "tensorboard>=2.15",
        ],
    },
    zip_safe=True,
    entry_points={
        "console_scripts": [
            f"{NAME} = {NAME}.cli.main:main",
            f"completion_node = {NAME}.nodes.executables:completion_node",
            f"monocular_node = {NAME}.nodes.executables:monocular_node",
            f"bag_player = {NAME}.nodes.executables:bag_player",
        ],
    },
)
