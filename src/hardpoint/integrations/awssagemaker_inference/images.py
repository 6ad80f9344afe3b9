"""NVIDIA Triton's images, which Amazon has in an account of its own in each region."""

from __future__ import annotations

from hardpoint.errors import UserError

__all__ = ["filled", "triton_image_uri"]

_TRITON = "sagemaker-tritonserver"

# https://docs.aws.amazon.com/sagemaker/latest/dg/neo-deployment-hosting-services-container-images.html
ACCOUNTS = {
    "us-east-1": "785573368785",
    "us-east-2": "007439368137",
    "us-west-1": "710691900526",
    "us-west-2": "301217895009",
    "eu-west-1": "802834080501",
    "eu-west-2": "205493899709",
    "eu-west-3": "254080097072",
    "eu-north-1": "601324751636",
    "eu-south-1": "966458181534",
    "eu-central-1": "746233611703",
    "ap-east-1": "110948597952",
    "ap-south-1": "763008648453",
    "ap-northeast-1": "941853720454",
    "ap-northeast-2": "151534178276",
    "ap-southeast-1": "324986816169",
    "ap-southeast-2": "355873309152",
    "cn-northwest-1": "474822919863",
    "cn-north-1": "472730292857",
    "sa-east-1": "756306329178",
    "ca-central-1": "464438896020",
    "me-south-1": "836785723513",
    "af-south-1": "774647643957",
}


def triton_image_uri(version: str = "23.12") -> str:
    """The image of a version of Triton, for `images` of tasks; account and region are filled in where it is used."""
    return f"{{account_id}}.dkr.ecr.{{region}}.{{base}}/{_TRITON}:{version}-py3"


def filled(image: str, region: str) -> str:
    """An image's reference, with what is left open in one of Triton's.

    Raises:
        UserError: it is one of Triton's, and Amazon has none in the region.
    """
    if _TRITON not in image:
        return image
    if "{account_id}" in image and region not in ACCOUNTS:
        raise UserError(
            f"No account is known that has Triton's images in {region}; there are {', '.join(ACCOUNTS)}.",
            remedy="Write the account's number into the image's reference in the place of {account_id}.",
        )
    parts = {"{account_id}": ACCOUNTS.get(region, ""), "{region}": region, "{base}": _base(region)}
    for name, value in parts.items():
        image = image.replace(name, value)
    return image


def _base(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
