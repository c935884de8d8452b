#!/usr/bin/env bash
# Writes 10,000 deployments into DIR/apps, of which every tenth has a marked image, and their 1,000 policies.
set -euo pipefail
dir="$1"
mkdir -p "$dir"
awk -v dir="$dir" 'BEGIN {
  for (i = 0; i < 10000; i++) {
    folder = dir "/apps/team-" int(i / 100)
    if (i % 100 == 0) system("mkdir -p " folder)
    file = folder "/app-" i ".yaml"
    marker = (i % 10 == 0) ? " # {\"$imagepolicy\": \"flux-system:app-" i "\"}" : ""
    printf "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  labels:\n    app: app-%d\nspec:\n" \
      "  replicas: 2\n  selector:\n    matchLabels:\n      app: app-%d\n  template:\n    metadata:\n      labels:\n" \
      "        app: app-%d\n    spec:\n      containers:\n        - name: app\n" \
      "          image: registry.example/team/app-%d:1.0.0%s\n          ports:\n            - containerPort: 8080\n" \
      "          resources:\n            requests:\n              cpu: 100m\n              memory: 128Mi\n" \
      "            limits:\n              memory: 256Mi\n", i, i, i, i, i, marker > file
    close(file)
    if (marker != "") {
      printf "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata:\n  name: app-%d\n" \
        "  namespace: flux-system\nstatus:\n  latestRef:\n    name: registry.example/team/app-%d\n    tag: 1.0.1\n", \
        i, i > (dir "/policies.yaml")
    }
  }
}'
