# docker build -t irconv . && docker run --rm --network none -v "$PWD:/data" irconv convert model.h5 model.onnx
FROM python:3.12-slim AS build
COPY . /src
RUN pip wheel --no-cache-dir --wheel-dir /wheels '/src[onnxruntime,images]'

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels pip install --no-cache-dir --no-index --find-links /wheels 'irconv[onnxruntime,images]' \
    && useradd --create-home irconv
USER irconv
WORKDIR /data
ENTRYPOINT ["irconv"]
CMD ["--help"]
