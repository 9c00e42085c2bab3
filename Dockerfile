# One image for web and worker. Wheels only, no compiler; runs as an unprivileged user.
FROM python:3.13-slim AS build
WORKDIR /srv/milestake
COPY requirements.txt .
RUN python -m venv /opt/milestake \
 && /opt/milestake/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /srv/milestake milestake \
 && install -d -o milestake -g milestake /var/lib/milestake
COPY --from=build /opt/milestake /opt/milestake
WORKDIR /srv/milestake
COPY wsgi.py ./
COPY milestones milestones
COPY app app
COPY templates templates
COPY static static
ENV PATH=/opt/milestake/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/var/lib/milestake/blobs MAIL_DIR=/var/lib/milestake/mail
USER milestake
VOLUME /var/lib/milestake
EXPOSE 8000
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--access-logfile", "-", "wsgi:app"]
