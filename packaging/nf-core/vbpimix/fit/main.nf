process VBPIMIX_FIT {
    tag "${meta.id}"
    label 'process_medium'

    // No container yet: one can be made from environment.yml once the conda package is in a channel.
    conda "${moduleDir}/environment.yml"

    input:
    tuple val(meta), path(alignment)
    tuple val(meta2), path(partitions)

    output:
    tuple val(meta), path("${prefix}/posterior/sample.trees")  , emit: trees
    tuple val(meta), path("${prefix}/posterior/consensus.nwk") , emit: consensus
    tuple val(meta), path("${prefix}/posterior/splits.tsv")    , emit: splits
    tuple val(meta), path("${prefix}/posterior/parameters.tsv"), emit: parameters, optional: true
    tuple val(meta), path("${prefix}/evaluation.json")         , emit: evaluation
    tuple val(meta), path("${prefix}/report.html")             , emit: report
    path "versions.yml"                                        , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def parts = partitions ? "--partitions ${partitions}" : ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    vbpi-mix fit ${alignment} \\
        --output ${prefix} \\
        --threads ${task.cpus} \\
        --quiet \\
        ${parts} \\
        ${args}

    echo '"${task.process}":' > versions.yml
    echo "    vbpi-mix: \$(vbpi-mix --version)" >> versions.yml
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir -p ${prefix}/posterior
    touch ${prefix}/posterior/sample.trees ${prefix}/posterior/consensus.nwk ${prefix}/posterior/splits.tsv
    touch ${prefix}/posterior/parameters.tsv ${prefix}/evaluation.json ${prefix}/report.html

    echo '"${task.process}":' > versions.yml
    echo "    vbpi-mix: \$(vbpi-mix --version)" >> versions.yml
    """
}
